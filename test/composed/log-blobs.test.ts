import { suite } from "uvu";
import { openLogBlobs } from "../../engine/composed/log-blobs.ts";
import { testBlobStore } from "../conformance/main.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { damageInLog } from "./support.ts";
import "../helpers/whole-suites.ts";

const test = suite("blobs in the log of a home");
test.after.each(removeFolders);

testBlobStore({
  test,
  async newPlace() {
    const home = newFolder();
    let passed = 0;
    const options = { durability: "buffered", clock: () => new Date(Date.now() + passed) } as const;
    return {
      open: () => openLogBlobs(home, options),
      openReadOnly: () => openLogBlobs(home, { ...options, readOnly: true }),
      async damage(digest, _size, damage) {
        if (damage !== "other bytes") return false;
        await damageInLog(home, digest);
        return true;
      },
      pass: (milliseconds) => (passed += milliseconds),
    };
  },
});

test.run();
