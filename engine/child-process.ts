/** That part of Node.js, loaded by the first who needs it: most programs never do, and it takes some milliseconds to load. */
export const childProcess = () => process.getBuiltinModule("node:child_process");
