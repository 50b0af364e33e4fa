import type { BlobStore, Digest } from "../../engine/main.ts";
import { BlobPlaces } from "./blob-places.ts";
import { testFailing } from "./blob-store-failing.ts";
import { testKeeping } from "./blob-store-keeping.ts";
import { testOwners } from "./blob-store-owners.ts";
import { testReading } from "./blob-store-reading.ts";
import { testRemoving } from "./blob-store-removing.ts";

/** One test: of uvu, of `node:test`, or of anything else that runs them one after another. */
export type Test = (name: string, run: () => Promise<void>) => unknown;

/** How what is kept of a blob is changed past the store. */
export type Damage = "other bytes" | "shorter" | "longer";

/** A place for blobs, empty and of no store, which a test has to itself. */
export interface BlobPlace {
  /** Opens it, once more when it is open: as other processes have it. What is opened is closed by the suite. */
  open(): Promise<BlobStore>;
  openReadOnly?(): Promise<BlobStore>;
  /** Changes the copy of a blob, as a failing disk or a foolish user would. False where the place has no such copies. */
  damage?(digest: Digest, size: number, damage: Damage): Promise<boolean>;
  /** What is there beside blobs that were put whole, and should not be. */
  leftBehind?(): Promise<string[]>;
  /** Lets the time of the place go by, without anybody waiting for it. */
  pass?(milliseconds: number): void;
}

export interface BlobSuiteParts {
  test: Test;
  newPlace(): Promise<BlobPlace>;
}

/**
 * Tries every promise of `BlobStore`. What an implementation says of itself in its `capabilities` is all that it may differ in.
 * Each test makes places of its own and closes what it opened; it is up to `newPlace` to remove them some time.
 */
export function testBlobStore({ test, newPlace }: BlobSuiteParts): void {
  const withPlaces = (name: string, run: (places: BlobPlaces) => Promise<void>) =>
    test(name, async () => {
      const places = new BlobPlaces(newPlace);
      try {
        await run(places);
      } finally {
        await places.close();
      }
    });
  testKeeping(withPlaces);
  testReading(withPlaces);
  testFailing(withPlaces);
  testRemoving(withPlaces);
  testOwners(withPlaces);
}
