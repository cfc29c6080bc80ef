/** File descriptors of this process: how many are open, the limit, and a reserve. */
import { closeSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { errnoOf } from "../lib/errors.ts";

/** Files that this process may have open; the soft limit, which the runtime has raised to the hard one. */
export function descriptorLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Files that this process has open. Linux before 6.2 does not tell by the folder's size. */
export function openDescriptors(): number {
  try {
    return statSync(FOLDER).size || readdirSync(FOLDER).length;
  } catch (error) {
    // With none left, the folder cannot be read either.
    if (isExhaustion(error)) return descriptorLimit();
    return 0;
  }
}

/** Descriptors of /dev/null, closed when the process runs out of others. Owned by the listener. */
export class Reserve {
  readonly #size: number;
  #held: number[] = [];

  constructor(size: number) {
    this.#size = size;
    this.fill();
  }

  /** Opens as many as are missing and can be had. */
  fill(): void {
    try {
      while (this.#held.length < this.#size) this.#held.push(openSync("/dev/null", "r"));
    } catch (error) {
      if (!isExhaustion(error)) throw error;
    }
  }

  release(): void {
    for (const fd of this.#held.splice(0)) closeSync(fd);
  }
}

// --- internal ---

const FOLDER = "/proc/self/fd";

function isExhaustion(error: unknown): boolean {
  return ["EMFILE", "ENFILE"].includes(errnoOf(error) ?? "");
}
