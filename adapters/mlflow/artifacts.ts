import { type CallOptions, compareNames, type ListedFile, VarveError } from "../../engine/main.ts";
import { orNothing } from "./absent.ts";
import { escapedPath } from "./artifact-route.ts";
import { objects, text, whole } from "./fields.ts";
import type { HttpAnswer } from "./http.ts";
import type { PartedTransfers } from "./multipart.ts";
import type { Artifacts } from "./protocol.ts";
import { resumed } from "./resume.ts";
import type { Transport } from "./transport.ts";

const PATH = "/api/2.0/mlflow-artifacts/artifacts";
/** Files and folders: each folder is a request. */
const ENTRIES_MAX = 100_000;
const DEPTH_MAX = 100;

/** What a server passes on. */
export class ProxiedArtifacts implements Artifacts {
  readonly #transport: Transport;
  readonly #parted: PartedTransfers;
  readonly #path: string;

  constructor(transport: Transport, parted: PartedTransfers, path: string) {
    this.#transport = transport;
    this.#parted = parted;
    this.#path = path;
  }

  async put(
    path: string,
    size: number,
    pieces: () => AsyncIterable<Uint8Array>,
    options?: CallOptions,
  ): Promise<void> {
    const whole = escapedPath(this.#path, path);
    if (await this.#parted.put({ path: whole, name: path, size, pieces }, options)) return;
    await this.#transport.ask({
      doing: `uploading ${path}`,
      method: "PUT",
      path: `${PATH}/${whole}`,
      headers: { "content-type": "application/octet-stream" },
      body: { size, pieces },
      // There may be JSON, and there may be nothing.
      take: async (answer) => void (await answer.text()),
      ...options,
    });
  }

  async *get(path: string, options?: CallOptions): AsyncGenerator<Uint8Array> {
    const whole = escapedPath(this.#path, path);
    const parted = await this.#parted.source(whole, path, options);
    yield* resumed(
      parted ?? {
        transport: this.#transport,
        ask: { doing: `downloading ${path}`, method: "GET", path: `${PATH}/${whole}` },
      },
      options,
    );
  }

  async list(options?: CallOptions): Promise<ListedFile[]> {
    const files: ListedFile[] = [];
    const folders = [{ path: "", depth: 0 }];
    let count = 0;
    for (let folder = folders.pop(); folder; folder = folders.pop()) {
      for (const entry of await this.#listOne(folder.path, options)) {
        count++;
        if (entry.isFolder) folders.push({ path: entry.path, depth: folder.depth + 1 });
        else files.push({ path: entry.path, size: entry.size });
      }
      if (count > ENTRIES_MAX || folder.depth > DEPTH_MAX) throw this.#tooMany();
    }
    return files.sort((a, b) => compareNames(a.path, b.path));
  }

  async remove(path = "", options?: CallOptions): Promise<void> {
    const whole = escapedPath(this.#path, path);
    const doing = `removing ${path || "artifacts"}`;
    const take = async (answer: HttpAnswer) => void (await answer.text());
    const ask = { doing, method: "DELETE", path: `${PATH}/${whole}`, take, ...options } as const;
    await orNothing(this.#transport.ask(ask));
  }

  async #listOne(
    folder: string,
    options?: CallOptions,
  ): Promise<{ path: string; isFolder: boolean; size: number }[]> {
    const path = folder === "" ? this.#path : `${this.#path}/${folder}`;
    const ask = {
      doing: "listing artifacts",
      method: "GET",
      path: PATH,
      query: { path },
      ...options,
    } as const;
    return this.#transport.json(ask, (answer) =>
      objects(answer.files).map((file) => {
        const name = plainName(text(file.path));
        // Empty files are listed without a size.
        return {
          path: folder === "" ? name : `${folder}/${name}`,
          isFolder: file.is_dir === true,
          size: whole(file.file_size),
        };
      }),
    );
  }

  #tooMany(): VarveError {
    return new VarveError(
      "NOT_SUPPORTED",
      `there are more than ${ENTRIES_MAX} files and folders in a folder of MLflow`,
      {
        hint: "pack them into one, or keep them with backend: varve",
        details: { path: this.#path },
      },
    );
  }
}

/** A name alone: it becomes part of paths. */
function plainName(name: string): string {
  if (name !== "" && name !== "." && name !== ".." && !/[/\\\0]/.test(name)) return name;
  throw new VarveError("CORRUPTION", `MLflow lists a file of the name ${JSON.stringify(name)}`, {
    hint: "look at the server: a file in a folder has no such name",
  });
}
