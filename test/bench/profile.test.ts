import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CpuProfile, costsOf } from "../../bench/profile.ts";

const test = suite("the costs in a profile");

const frame = (functionName: string) => ({ functionName, url: "", lineNumber: 0 });
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame("(root)"), children: [2, 5] },
    { id: 2, callFrame: frame("save"), children: [3] },
    { id: 3, callFrame: frame("encode"), children: [4] },
    { id: 4, callFrame: frame("encode") },
    { id: 5, callFrame: frame("(idle)") },
  ],
  samples: [2, 3, 4, 5],
  timeDeltas: [10, 20, 30, 1_000],
};

test("own time is that of the function, total time also of what it calls, recursion counted once", () => {
  const costs = costsOf(profile, "total");
  assert.equal(
    costs.map(({ what, own, total }) => [what, Math.round(own * 60), Math.round(total * 60)]),
    [
      ["save", 10, 60],
      ["encode", 50, 50],
    ],
  );
});

test("waiting is no cost, and the costliest comes first", () => {
  assert.equal(
    costsOf(profile, "own").map(({ what }) => what),
    ["encode", "save"],
  );
});

test.run();
