import { VarveError } from "../../engine/main.ts";

/**
 * A package that the user installs beside Varve.
 * @param load the import itself: only a text in the code is found by what bundles
 * @param others that are needed too: those that are missing as well are named with it
 * @throws MISSING_DRIVER that names all that are to be installed
 */
export async function importDriver<T>(
  name: string,
  load: () => Promise<T>,
  others: readonly string[] = [],
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code, message = "" } = error as { code?: string; message?: string };
    const isMissing = /^(ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND)$/.test(code ?? "");
    const packages = isMissing ? [name, ...others.filter(cannotBeFound)] : [name];
    const what =
      packages.length > 1 ? `the packages ${packages.join(" and ")} are` : `the package ${name} is`;
    const broken = `the package ${name} can't be loaded: ${message}`;
    throw new VarveError("MISSING_DRIVER", isMissing ? `${what} not installed` : broken, {
      hint: `npm install ${packages.join(" ")}`,
      cause: error,
      details: { package: name, packages },
    });
  }
}

function cannotBeFound(name: string): boolean {
  try {
    import.meta.resolve(name);
    return false;
  } catch {
    return true;
  }
}
