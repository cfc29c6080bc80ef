/** A fault of our own in one of many: it is logged with its stack, and the others and the process go on. */
import { gather } from "./gather.ts";
import type { Logger } from "./log.ts";

/** Logs it; the same fault again is only counted. @param what could not be done, or for whom */
export function reportFault(logger: Logger, what: string, error: unknown): void {
  const stack = stackOf(error);
  gather(logger, { level: "error", kind: "faults", who: stack.slice(0, PLACE_CHARS) }, `${what}: ${stack}`);
}

/** Does it with each of them: one that throws is reported, and the rest have their turn. */
export function forEachSafely<T>(
  items: Iterable<T>,
  work: (item: T) => void,
  onFault: (error: unknown) => void,
) {
  for (const item of [...items]) {
    try {
      work(item);
    } catch (error) {
      onFault(error);
    }
  }
}

// --- internal ---

/** By so much of its stack a fault is told from another one. */
const PLACE_CHARS = 300;

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
