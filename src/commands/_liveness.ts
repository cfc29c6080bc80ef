/** How soon a dead line is noticed. */

import type { ArgsDef } from "citty";
import { LONGEST_TIMER_MS, parseDuration } from "../lib/duration.ts";
import { UsageError } from "../lib/errors.ts";
import type { LivenessTimes } from "../link/liveness.ts";
import { LIVENESS_V2 } from "../link/socket.ts";

export const livenessArgs = {
  deadAfter: {
    type: "string",
    valueHint: "TIME",
    description: "Give up a connection after this much silence, and make a new one (default: 8s)",
  },
} as const satisfies ArgsDef;

/** @throws UsageError where it is no time, or shorter than 500 ms */
export function livenessOf({ deadAfter }: { deadAfter?: string | undefined }): LivenessTimes {
  if (deadAfter === undefined) return LIVENESS_V2;
  const deadMs = parseDuration(deadAfter);
  if (deadMs === null || deadMs < 500 || deadMs > LONGEST_TIMER_MS) {
    throw new UsageError(`--dead-after cannot be "${deadAfter}"`, "give 8s or 2m; at least 500ms");
  }
  return { deadMs, pingMs: Math.round((deadMs * LIVENESS_V2.pingMs) / LIVENESS_V2.deadMs) };
}
