import { Program } from "../helpers/processes.ts";

/** A process that has the store of `home` open over `options`, and does what it is told. */
export async function otherProcess(home: string, options: object = {}): Promise<Program> {
  return ready(new Program("../large/program.ts", [home, JSON.stringify(options)]));
}

/** The same, for directories. */
export async function otherForDirectories(home: string): Promise<Program> {
  return ready(new Program("../large/directories-program.ts", [home]));
}

async function ready(program: Program): Promise<Program> {
  await program.expect();
  return program;
}
