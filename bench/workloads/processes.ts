import { CALLERS } from "../../cli/bench/hot-paths.ts";
import { measureTogether } from "../roles.ts";
import type { Workload } from "../workload.ts";

export const readers2: Workload = {
  name: "readers-2",
  does: "two processes, each loads any of all artifacts; loads of both",
  shows: "rate",
  state: "full",
  run: (situation) => measureTogether(situation, ["reader", "reader"], "reader"),
};

export const readers4: Workload = {
  name: "readers-4",
  does: "four processes, each loads any of all artifacts; loads of all",
  shows: "rate",
  state: "full",
  run: (situation) => measureTogether(situation, ["reader", "reader", "reader", "reader"], "reader"),
};

export const readersBesideWriter: Workload = {
  name: "readers-beside-writer",
  does: `loads of two processes, while a third saves, ${CALLERS} callers at a time`,
  shows: "rate",
  state: "growing",
  run: (situation) => measureTogether(situation, ["writer", "reader", "reader"], "reader"),
};

export const writerBesideReaders: Workload = {
  name: "writer-beside-readers",
  does: `saves of a process, ${CALLERS} callers at a time, while two others load`,
  shows: "rate",
  state: "growing",
  run: (situation) => measureTogether(situation, ["writer", "reader", "reader"], "writer"),
};

export const writers2: Workload = {
  name: "writers-2",
  does: `two processes save, each for ${CALLERS} callers at a time; saves of both`,
  shows: "rate",
  state: "growing",
  run: (situation) => measureTogether(situation, ["writer", "writer"], "writer"),
};
