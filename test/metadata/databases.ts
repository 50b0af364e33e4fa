import { hasService } from "../services/services.ts";
import { type FreshPlace, servicePlace, sqlitePlace } from "./support.ts";

/** Each database that there is, for suites that are the same on all of them. */
export interface TestedDatabase {
  name: "SQLite" | "PostgreSQL" | "MariaDB" | "mysql://";
  place(): Promise<FreshPlace>;
}

export function serverDatabases(suite: string): TestedDatabase[] {
  const found: TestedDatabase[] = [];
  if (hasService("postgresql", suite))
    found.push({ name: "PostgreSQL", place: () => servicePlace("postgresql") });
  if (hasService("mariadb", suite)) found.push({ name: "MariaDB", place: () => servicePlace("mariadb") });
  return found;
}

export function allDatabases(suite: string): TestedDatabase[] {
  return [{ name: "SQLite", place: sqlitePlace }, ...serverDatabases(suite)];
}
