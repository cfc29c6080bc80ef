/** Contains a bug to one session, viewer or channel: it is logged with its stack, and the rest goes on. */
import { gather } from "./gather.ts";
import type { Logger } from "./log.ts";

/** Logs it with its stack; the same fault again is only counted. @param what failed, and for which session or viewer */
export function reportFault(logger: Logger, what: string, error: unknown): void {
  const stack = stackOf(error);
  gather(logger, { level: "error", kind: "faults", who: stack.slice(0, PLACE_CHARS) }, `${what}: ${stack}`);
}

/** Calls it with each element; one that throws is reported, and the rest follows. */
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

/** Characters of a stack that tell one fault from another. */
const PLACE_CHARS = 300;

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
