/** Opens a store from a working directory, saves, and prints what the artifacts say of their environment. */
import { openStore } from "../../engine/main.ts";

const [folder, home, what] = process.argv.slice(2) as [string, string, "once" | "until dirty is known"];
process.chdir(folder);
const store = await openStore({ home });
let artifact = await store.save("first", 1);
console.log(JSON.stringify(artifact.environment));
while (what === "until dirty is known" && artifact.environment.git?.dirty === undefined) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  artifact = await store.save("later", 1);
}
console.log(JSON.stringify(artifact.environment));
await store.close();
