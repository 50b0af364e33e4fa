import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeStamps, isSettled, Stamps } from "../../engine/directory/stamps.ts";
import "../helpers/whole-suites.ts";

const test = suite("directories: stamps of files");

test("a time is settled when whatever comes after must differ", () => {
  const stamp = (mtimeNs: bigint, ctimeNs = mtimeNs) => ({ mtimeNs, ctimeNs, inode: 1n });
  const now = 1_700_000_000_123_456_789n;
  assert.not.ok(isSettled(stamp(now), now));
  assert.not.ok(isSettled(stamp(now - 20_000_000n), now));
  assert.ok(isSettled(stamp(now - 100_000_001n), now));
  assert.not.ok(isSettled(stamp(now - 10n ** 10n, now), now));
  assert.not.ok(isSettled(stamp(now + 10n ** 12n, now - 10n ** 10n), now));
  // Whole seconds are those of a clock that ticks so slowly.
  assert.not.ok(isSettled(stamp(1_699_999_999n * 10n ** 9n), now));
  assert.ok(isSettled(stamp(1_699_999_990n * 10n ** 9n), now));
});

test("stamps before 1970 and inodes of 64 bits are kept", () => {
  const stamp = { mtimeNs: -5n, ctimeNs: 7n, inode: 2n ** 64n - 1n };
  const none = { mtimeNs: 0n, ctimeNs: 0n, inode: 0n };
  const stamps = new Stamps(encodeStamps([undefined, stamp, none]));
  assert.is(stamps.count, 3);
  assert.ok(stamps.isSame(1, stamp));
  for (const [name, value] of Object.entries(stamp))
    assert.not.ok(stamps.isSame(1, { ...stamp, [name]: value - 1n }), name);
  for (const file of [0, 2, 3]) assert.not.ok(stamps.isSame(file, stamp));
  // None is that of no file, whatever was found.
  for (const file of [0, 1, 2, 3]) assert.not.ok(stamps.isSame(file, none));
});

test.run();
