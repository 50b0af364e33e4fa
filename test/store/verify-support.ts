import * as assert from "uvu/assert";
import type { VerifyReport } from "../../engine/api.ts";
import { marked } from "../helpers/damage.ts";
import { newFolder } from "../helpers/folders.ts";
import { openSeamStore } from "../helpers/stores.ts";

export const COUNT = 12;

export async function filledHome(segmentBytesMax = 1500): Promise<string> {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax });
  for (let n = 0; n < COUNT; n++) await store.save(`n/${n}`, marked(n));
  await store.close();
  return home;
}

export interface Verifiable {
  verify(options: { full?: boolean; timeBudget?: number; after?: string }): Promise<VerifyReport>;
}

/** Part after part, each as short as can be. */
export async function inParts(
  store: Verifiable,
  full: boolean,
  between: (part: number) => Promise<void> = async () => {},
): Promise<VerifyReport[]> {
  const reports: VerifyReport[] = [];
  for (let report = await store.verify({ full, timeBudget: 0 }); ; ) {
    reports.push(report);
    assert.ok(reports.length < 1_000, "it does not get on");
    if (report.complete) return reports;
    assert.type(report.next, "string");
    await between(reports.length);
    report = await store.verify({ timeBudget: 0, after: report.next! });
  }
}
