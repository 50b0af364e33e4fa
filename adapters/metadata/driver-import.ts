import { VarveError } from "../../engine/main.ts";

/**
 * A package that the user installs beside Varve.
 * @param load the import itself: only a text in the code is found by what bundles
 * @throws MISSING_DRIVER that names it
 */
export async function importDriver<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code, message = "" } = error as { code?: string; message?: string };
    const isMissing = /^(ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND)$/.test(code ?? "");
    const what = isMissing ? `the package ${name} is not installed` : `the package ${name} can't be loaded`;
    throw new VarveError("MISSING_DRIVER", isMissing ? what : `${what}: ${message}`, {
      hint: `npm install ${name}`,
      cause: error,
      details: { package: name },
    });
  }
}
