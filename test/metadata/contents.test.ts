import { suite } from "uvu";
import * as assert from "uvu/assert";
import { apply, failed, latest, save, unit } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { hasService } from "../services/services.ts";
import { allDatabases } from "./databases.ts";
import { endAll, openTest, servicePlace, WRITABLE } from "./support.ts";

const NAME = "metadata: what databases find hard";
const test = suite(NAME);
test.after.each(endAll);
const MEBIBYTE = 2 ** 20;

for (const { name, place } of allDatabases(NAME)) {
  test(`${name}: a batch of 5,000 operations is one transaction, and a large document comes back`, async () => {
    const fresh = await place();
    const store = await openTest(fresh.url, WRITABLE);
    const saves = Array.from({ length: 5000 }, (_, i) => save(`n/${i % 1000}`, { tags: { i: `${i}` } }));
    const { sequence, versions } = await apply(store, ...saves);
    assert.is(sequence, 1);
    assert.is(versions.at(-1)!.version, 4);
    const metadata = { text: "\u0000\u{1f600}'\\".repeat(MEBIBYTE / 8) };
    await apply(store, save("large", { metadata }));
    assert.equal((await store.find(latest("large")))!.metadata, metadata);
    assert.equal(await store.check(), []);
    await store.close();
    await fresh.remove();
  });
}

if (hasService("mariadb", NAME)) {
  test("MariaDB: what is more than the server takes at once fails by itself, and not what is saved beside it", async () => {
    const fresh = await servicePlace("mariadb");
    const store = await openTest(fresh.url, WRITABLE);
    const large = save("large", { metadata: { text: "x".repeat(20 * MEBIBYTE) } });
    const [results] = await Promise.all([
      store.commit([unit([save("a")]), unit([large]), unit([save("b")])]),
      apply(store, save("c")),
    ]);
    const error = failed(results[1], "NOT_SUPPORTED");
    assert.match(error.hint!, /max_allowed_packet/);
    failed((await store.commit([unit([large])]))[0], "NOT_SUPPORTED");
    assert.equal(
      [results[0], results[2]].map((result) => result instanceof Error),
      [false, false],
    );
    assert.equal(await store.check(), []);
    await store.close();
    await fresh.remove();
  });
}

test.run();
