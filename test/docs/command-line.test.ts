import { suite } from "uvu";
import * as assert from "uvu/assert";
import { verbs } from "../../cli/verbs.ts";
import { readDocument, tableBelow } from "./documents.ts";

const test = suite("the page on the command line");
const page = readDocument("cli/README.md");
const rows = tableBelow(page, "## Verbs").map((cells) => cells.join("|"));
/** Options that have a table of their own. */
const tables: Record<string, string[]> = {
  list: tableBelow(page, "### Filters of `list`").map(([option]) => option!),
  save: tableBelow(page, "### Models in MLflow").map(([option]) => option!),
};

test("each verb has a row, in which each of its options stands", async () => {
  for (const [name, verb] of Object.entries(verbs)) {
    const found = rows.filter((row) => row.startsWith(`\`${name} `) || row.startsWith(`\`${name}\``));
    assert.is(found.length, 1, name);
    const told = [...found, ...(tables[name] ?? [])].join(" ");
    const { options } = (await verb.load()).default;
    for (const [option, { kind }] of Object.entries(options ?? {})) {
      assert.match(told, new RegExp(`--${option}[\\s\`|]`), `${name} --${option}`);
      // Nobody would expect that they take the words behind them.
      if (kind === "list" && name !== "list")
        assert.match(
          page,
          new RegExp(`Options that take several values \\(.*\`[\\w ]*--${option}\``),
          option,
        );
    }
  }
  assert.is(rows.length, Object.keys(verbs).length);
});

test.run();
