import type { ArtifactStore, Codec } from "../../engine/api.ts";
import type { Engine } from "../../engine/key-value.ts";

/** What a golden store holds. Once a format is out, this may only be added to in a new golden of a new version. */

/** A clock that goes on by a second at each look. */
export function steppingClock(): () => Date {
  let time = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  return () => {
    time += 1_000;
    return new Date(time);
  };
}

export const pointCodec: Codec = {
  mediaType: "application/vnd.varve.point",
  accepts: (value) => value instanceof Point,
  encode: (value) => Buffer.from(`${(value as Point).x},${(value as Point).y}`),
  decode: (bytes) => new Point(...(Buffer.from(bytes).toString().split(",").map(Number) as [number, number])),
};

export class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

const longCode = `export function train() {\n${"  // a line of code that makes this too long for a row\n".repeat(20)}}\n`;

export const special = {
  minusZero: -0,
  notANumber: Number.NaN,
  big: 2n ** 70n,
  nothing: undefined,
  date: new Date(-1),
  map: new Map<unknown, unknown>([
    [1, "one"],
    ["two", new Set([2])],
  ]),
  floats: new Float32Array([0.5, -1.5]),
  bytes: new Uint8Array([1, 2, 3]),
  lone: "\ud800",
  ["__proto__"]: { own: true },
};

export const large = new Uint8Array(70_000).map((_, i) => (i * 31) % 251);

export async function fillStore(store: ArtifactStore): Promise<void> {
  await store.save("iris/raw", Buffer.from("sepal,petal\n5.1,1.4\n"), {
    mediaType: "text/csv",
    tags: { source: "uci" },
  });
  await store.save(
    "iris/model",
    { weights: [1, 2, 3] },
    { code: "train()", inputs: ["iris/raw"], metadata: { accuracy: 0.9 } },
  );
  await store.save(
    "iris/model",
    { weights: [4, 5, 6] },
    { code: longCode, inputs: ["iris/raw:0"], metadata: { accuracy: 0.97 } },
  );
  await store.save("iris/model", { weights: [4, 5, 6] }, { code: longCode });
  await store.setAlias("iris/model", "production", 1);
  await store.setAlias("iris/model", "candidate", 2);
  await store.annotate("iris/model:1", {
    tags: { stage: "live" },
    metadata: { accuracy: null, checked: true },
  });
  await store.delete("iris/model:2", { aliases: true });
  await store.save("values/special", special);
  await store.save("values/point", new Point(3, 4));
  await store.save("values/large", large);
  await store.save("gone", 1);
  await store.delete("gone:all");
  await store.save("back", "again");
  await store.delete("back:0");
  await store.undelete("back:0");
  await store.batch((batch) => {
    const pending = batch.save("batch/a", 1, { tags: { n: "1" } });
    batch.save("batch/b", 2, { inputs: [pending] });
    batch.setAlias("batch/a", "first", pending);
  });
}

export async function fillEngine(engine: Engine): Promise<void> {
  await engine.put("text", { a: 1 });
  await engine.put(-1.5, special);
  await engine.put(new Uint8Array([0, 255]), "bytes");
  await engine.put(["runs", 1], "x".repeat(10_000));
  await engine.put(["runs", 2], "x".repeat(10_000));
  await engine.put("gone", true);
  await engine.del("gone");
  await engine.batch([
    { type: "put", key: "text", value: { a: 2 } },
    { type: "put", key: ["runs", "z\0"], value: null },
  ]);
}
