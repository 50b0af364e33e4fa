/** Whether symbolic links stay in their tree, judged by what they and the links on their ways say. */

/** As many as Linux follows on one way. */
const NESTING_MAX = 40;

/** A folder, or what a link may one day lead to. */
interface Place {
  parent: Place | undefined;
  below: Map<string, Place>;
  link?: Link;
}

interface Link {
  path: string;
  target: string;
  folder: Place;
  /** Where it leads; `undefined` as long as nobody asked. */
  end?: Place | "asked";
}

/** Takes all links of a tree, in any order. */
export class LinkJudge {
  readonly #fold: (name: string) => string;
  readonly #root: Place = { parent: undefined, below: new Map() };
  readonly #links: Link[] = [];

  /** @param fold makes one of the names that the file system takes for one */
  constructor(fold: (name: string) => string = (name) => name) {
    this.#fold = fold;
  }

  add(path: string, target: string): void {
    let place = this.#root;
    let folder = place;
    for (const name of path.split("/")) {
      folder = place;
      place = this.#below(folder, name);
    }
    const link = { path, target, folder };
    place.link = link;
    this.#links.push(link);
  }

  /** The first link that leads out of the tree, or in a circle. Takes time in proportion to the length of all links. */
  firstLeadingOut(): { path: string; target: string } | undefined {
    return this.#links.find((link) => this.#follow(link, 1) === undefined);
  }

  #follow(link: Link, nesting: number): Place | undefined {
    if (link.end === "asked" || nesting > NESTING_MAX) return undefined;
    if (link.end !== undefined) return link.end;
    if (link.target.startsWith("/")) return undefined;
    link.end = "asked";
    let at: Place = link.folder;
    for (const name of link.target.split("/")) {
      const next = this.#step(at, name, nesting);
      if (!next) return undefined;
      at = next;
    }
    link.end = at;
    return at;
  }

  #step(at: Place, name: string, nesting: number): Place | undefined {
    if (name === "" || name === ".") return at;
    if (name === "..") return at.parent;
    const next = this.#below(at, name);
    return next.link ? this.#follow(next.link, nesting + 1) : next;
  }

  #below(place: Place, name: string): Place {
    const key = this.#fold(name);
    let below = place.below.get(key);
    if (!below) {
      below = { parent: place, below: new Map() };
      place.below.set(key, below);
    }
    return below;
  }
}
