/** Opens a store from a working directory, saves, and prints what the artifacts say of their environment. */
import { openStore } from "../../engine/main.ts";
import { until } from "../helpers/time.ts";

const [folder, home, what] = process.argv.slice(2) as [string, string, "once" | "until dirty is known"];
process.chdir(folder);
const store = await openStore({ home });
let artifact = await store.save("first", 1);
console.log(JSON.stringify(artifact.environment));
if (what === "until dirty is known")
  await until("whether it is dirty is known", async () => {
    artifact = await store.save("later", 1);
    return artifact.environment.git?.dirty !== undefined;
  });
console.log(JSON.stringify(artifact.environment));
await store.close();
