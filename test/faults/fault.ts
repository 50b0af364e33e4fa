/** Something that a promise of the store rests on is taken away, and the tests named must notice. */
export interface Fault {
  name: string;
  file: string;
  /** Stands exactly once in the file. */
  text: string;
  replacement: string;
  /** Files of tests, from `test/`; the first that fails ends the run. */
  tests: string[];
}
