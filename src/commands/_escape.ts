/** Which key leaves a remote shell. */
import type { ArgsDef } from "citty";
import { DEFAULT_ESCAPE, type EscapeKey, parseEscapeKey } from "../client/terminal/escape-key.ts";

export const escapeArgs = {
  escape: {
    type: "string",
    valueHint: "KEY",
    description:
      "The key that leaves: ^A or ctrl-a, ~ for itself, or none (REXEC_ESCAPE; default ^]); twice, it is typed",
  },
} as const satisfies ArgsDef;

/** Null for none. @throws UsageError */
export function escapeOf(args: { escape?: string | undefined }): EscapeKey | null {
  if (args.escape !== undefined) return parseEscapeKey(args.escape);
  const { REXEC_ESCAPE } = process.env;
  return REXEC_ESCAPE ? parseEscapeKey(REXEC_ESCAPE, "REXEC_ESCAPE") : parseEscapeKey(DEFAULT_ESCAPE);
}
