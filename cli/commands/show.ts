import type { Artifact, Code, Environment } from "../../engine/main.ts";
import { artifactDocument, countText, sizeText, timeText } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { type Context, withStore } from "../context.ts";
import type { MlflowNow } from "../mlflow-now.ts";
import { mlflowNow, mlflowNowText } from "../mlflow-now.ts";
import { mlflowFacts } from "../mlflow-text.ts";
import { optional } from "../pairs.ts";
import { preview } from "../preview.ts";
import { jsonText, printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

/** A line break at the end begins no line. */
function lineCount(text: string): number {
  return text.replace(/\n$/, "").split("\n").length;
}

function codeText(code: Code | undefined): string | undefined {
  return code?.sources
    .map(({ file, text }) => `${file ?? "inline"} (${countText(lineCount(text), "line")})`)
    .join(", ");
}

function environmentText({ node, platform, script, user, git }: Environment): string {
  const commit = git && `commit ${git.commit}${git.dirty ? " with changes" : ""}`;
  const parts = [node && `Node.js ${node}`, platform, script, user && `by ${user}`, commit];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** Label and text of each fact that the artifact has. */
function factsOf(artifact: Artifact, now: MlflowNow | undefined): [string, string][] {
  const tags = Object.entries(artifact.tags).map(([key, value]) => `${key}=${value}`);
  const facts: [string, string | undefined][] = [
    ["created", `${timeText(artifact.createdAt)} UTC`],
    ["digest", artifact.digest],
    ["type", artifact.mediaType],
    ["size", sizeText(artifact.size)],
    ["backend", artifact.backend],
    ...mlflowFacts(artifact),
    ["there now", now && mlflowNowText(now)],
    ["aliases", artifact.aliases.join(", ")],
    ["tags", tags.join(", ")],
    ["metadata", Object.keys(artifact.metadata).length > 0 ? jsonText(artifact.metadata) : undefined],
    ["inputs", artifact.inputs.join(", ")],
    ["code", codeText(artifact.code)],
    ["made with", environmentText(artifact.environment)],
  ];
  return facts.filter((fact): fact is [string, string] => Boolean(fact[1]));
}

async function writeFacts(
  artifact: Artifact,
  now: MlflowNow | undefined,
  { output, color }: Context,
): Promise<void> {
  await output.line(paint(printable(artifact.ref), "bold", color));
  for (const [label, text] of factsOf(artifact, now)) {
    await output.line(`  ${paint(label.padEnd(10), "dim", color)} ${printable(text)}`);
  }
}

export default defineVerb({
  name: "show",
  required: ["ref"],
  about:
    "With --json all facts and the code, without a preview. Of a model in MLflow also what MLflow says of it now, if it does so within 3 seconds.",
  examples: [["varve show iris/model@production", "facts, and the beginning of the value"]],
  async run({ given: { ref } }, context) {
    await withStore(context, "read", async (store, call) => {
      const artifact = await store.get(ref, call);
      const now = await mlflowNow(store, artifact, call);
      if (context.json) {
        const more = { ...optional("code", artifact.code), ...optional("mlflowNow", now) };
        return context.output.document({ ...artifactDocument(artifact), ...more });
      }
      await writeFacts(artifact, now, context);
      await context.output.line(`\n${await preview(artifact, call)}`);
    });
    return undefined;
  },
});
