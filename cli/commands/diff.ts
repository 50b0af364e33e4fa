import { artifactLine } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { type Context, withStore } from "../context.ts";
import { differenceBetween, isEqual } from "../diff/document.ts";
import { differenceLines } from "../diff/text.ts";
import { defineVerb } from "../verb.ts";

const STYLES: Readonly<Record<string, Parameters<typeof paint>[1]>> = {
  "-": "red",
  "+": "green",
  "@": "dim",
};

function painted(line: string, color: boolean): string {
  const style = STYLES[line[0] ?? ""];
  return style === undefined ? line : paint(line, style, color);
}

async function write(lines: Iterable<string>, { output, color }: Context): Promise<void> {
  for (const line of lines) await output.line(painted(line, color));
}

export default defineVerb({
  name: "diff",
  required: ["from", "to"],
  about:
    "Compares value, media type, code, inputs, tags, metadata and environment. Structured values are compared path by path, " +
    "directories file by file, text line by line, other bytes by size and digest. Exits with 0 whether they differ or not.",
  examples: [
    ["varve diff iris/model:2 iris/model:3", "what a new version changed"],
    ["varve diff iris/model@production iris/model --json", "for a script: what is the same is left out"],
  ],
  async run({ given: { from, to } }, context) {
    await withStore(context, "read", async (store, call) => {
      const [first, second] = [await store.get(from, call), await store.get(to, call)];
      const difference = await differenceBetween(first, second, call);
      if (context.json) return context.output.document(difference);
      if (isEqual(difference)) return context.note(`${first.ref} and ${second.ref} do not differ`);
      await write([`--- ${artifactLine(first)}`, `+++ ${artifactLine(second)}`], context);
      await write(differenceLines(difference), context);
    });
    return undefined;
  },
});
