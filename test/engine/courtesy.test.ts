import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EventLoop } from "../../engine/maintenance/courtesy.ts";
import { Courtesy, SLICE_MILLISECONDS } from "../../engine/maintenance/courtesy.ts";
import { Pace } from "../../engine/maintenance/pace.ts";
import { failure } from "../helpers/errors.ts";

const test = suite("courtesy");

/** An event loop whose time goes by only as it is told. */
class FakeLoop implements EventLoop {
  time = 0;
  idleTime = 0;
  turns = 0;
  /** What others take of each turn. */
  others = 0;

  now(): number {
    return this.time;
  }

  idle(): number {
    return this.idleTime;
  }

  async turn(): Promise<void> {
    this.turns++;
    this.time += this.others;
  }

  async pause(): Promise<void> {
    if (this.others === 0) {
      this.idleTime++;
      this.time++;
    }
    await this.turn();
  }
}

/** A walk of so many slices: its share of the time, and how many turns others had beside each slice. */
async function walked(loop: FakeLoop, slices: number, courtesy = new Courtesy(loop)) {
  const [begin, turns] = [loop.time, loop.turns];
  let own = 0;
  let slice = SLICE_MILLISECONDS;
  for (let i = 0; i < slices; i++) {
    own += slice;
    loop.time += slice;
    slice = await courtesy.giveWay(slice);
  }
  return { share: own / (loop.time - begin), turnsPerSlice: (loop.turns - turns) / slices };
}

test("beside others who want the loop it works for a part of the time, and nearly all of their turns are free of it", async () => {
  const loop = new FakeLoop();
  loop.others = 0.015;
  const { share, turnsPerSlice } = await walked(loop, 1000);
  assert.ok(share > 0.45 && share <= 0.5, `${share}`);
  assert.ok(turnsPerSlice >= 99, `${turnsPerSlice}`);
});

test("where nobody else wants the loop it goes on at once", async () => {
  const { share } = await walked(new FakeLoop(), 1000);
  assert.ok(share > 0.95, `${share}`);
});

test("others who come later are seen", async () => {
  const loop = new FakeLoop();
  const courtesy = new Courtesy(loop);
  await walked(loop, 100, courtesy);
  loop.others = 0.015;
  await walked(loop, 33, courtesy);
  const { turnsPerSlice } = await walked(loop, 100, courtesy);
  assert.ok(turnsPerSlice >= 99, `${turnsPerSlice}`);
});

test("others whose turns are long do not keep it from its end", async () => {
  const loop = new FakeLoop();
  for (const others of [3, 6, 10]) {
    loop.others = others;
    const { share } = await walked(loop, 100);
    assert.ok(share > 0.32, `${others}: ${share}`);
  }
  loop.others = 20;
  assert.ok((await walked(loop, 100)).share > 0.19);
});

test("what was a wait for long is not made up for by a long rest", async () => {
  const loop = new FakeLoop();
  await new Courtesy(loop).giveWay(5_000);
  assert.ok(loop.time <= 11, `${loop.time}`);
});

test("a pace is due once its slice is over, and what it waited for does not count", async () => {
  const loop = new FakeLoop();
  loop.others = 4;
  const pace = Pace.courteous({}, new Courtesy(loop));
  assert.not(pace.isDue());
  loop.time += SLICE_MILLISECONDS;
  assert.ok(pace.isDue());
  await pace.turn();
  // Behind the long turn of others the slice is longer.
  loop.time += SLICE_MILLISECONDS;
  assert.not(pace.isDue());
  loop.time += SLICE_MILLISECONDS;
  assert.ok(pace.isDue());
  pace.waited();
  assert.not(pace.isDue());
});

test("it can be interrupted at each turn", async () => {
  const pace = Pace.courteous({ signal: AbortSignal.abort() });
  await failure(pace.turn(), "ABORTED");
});

test.run();
