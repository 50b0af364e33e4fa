/** The second process of the demo: reads the store that the first one has open. Its argument is the home. */

import { openStore } from "../../engine/main.ts";
import type { LinearModel } from "./models/linear.ts";
import { predict } from "./models/linear.ts";
import type { Penguin } from "./penguins.ts";

const store = await openStore({ home: process.argv[2]!, readOnly: true });
try {
  const model = await store.load<LinearModel>("penguins/model@best");
  const penguins = await store.load<Penguin[]>("penguins/clean:0");
  const wrong = penguins.filter(({ species, measures }) => predict(model, measures) !== species);
  console.log(
    `Its answer: penguins/model@best is wrong on ${wrong.length} of all ${penguins.length} penguins.`,
  );
} finally {
  await store.close();
}
