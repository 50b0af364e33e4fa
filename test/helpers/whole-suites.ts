import "uvu";

/**
 * uvu ends a suite in silence, as passed, when the error of a test has `details` that are no text, as those of
 * `VarveError` are not. So every suite is watched: one that ends before its last test is a failure.
 */
type Run = () => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;
type Group = (string | null | Run)[];

const queue = (globalThis as unknown as { UVU_QUEUE: Group[] }).UVU_QUEUE;

for (const group of queue) watch(group);
const push = queue.push.bind(queue);
queue.push = (...added: Group[]) => {
  for (const group of added) watch(group);
  return push(...added);
};

function watch(group: Group): void {
  for (const [i, item] of group.entries()) if (typeof item === "function") group[i] = watched(item);
  const pushRun = group.push.bind(group);
  group.push = (...items: Group) =>
    pushRun(...items.map((item) => (typeof item === "function" ? watched(item) : item)));
}

function watched(run: Run): Run {
  return async () => {
    const [errors, passed, skipped, total] = await run();
    if (errors !== true || passed === total) return [errors, passed, skipped, total];
    const message = `   ENDED after ${passed} of ${total} tests: the next one fails with an error that uvu can't print\n`;
    return [message, passed, skipped, total];
  };
}
