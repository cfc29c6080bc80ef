/** What an agent in the background tells the `start --daemon` that waits for it: lines of JSON through a pipe. */
import { closeSync, writeSync } from "node:fs";
import * as z from "zod/mini";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { setCloseOnExec, setNonBlocking } from "../../pty/libc.ts";
import type { UplinkState } from "../uplink/state.ts";

/** Of the pipe, in the child: the first descriptor after stdin, stdout and stderr. */
export const REPORT_FD = 3;
/** Names of the environment by which the child knows what it is: its log's path, and that descriptor. */
export const DAEMON_LOG = "REXEC_DAEMON_LOG";
export const DAEMON_REPORT = "REXEC_DAEMON_REPORT";

export const report = z.discriminatedUnion("state", [
  /** `text`: what the one that waits is to print. */
  z.object({ state: z.literal("connected"), text: z.optional(z.string()) }),
  /** Not connected yet; it goes on trying. */
  z.object({ state: z.literal("waiting"), reason: z.string() }),
  /** The server does not let it in until its machine is accepted there; it goes on trying. */
  z.object({ state: z.literal("pending"), reason: z.string() }),
  /** It ends. */
  z.object({
    state: z.literal("failed"),
    message: z.string(),
    hint: z.optional(z.string()),
    exitCode: z.int(),
    code: z.string(),
  }),
]);
export type Report = z.infer<typeof report>;

/** The child's end of the pipe. It is closed with the first good or last bad news. */
export class Reporter {
  #fd: number | null;

  constructor(fd: number) {
    this.#fd = fd;
    setCloseOnExec(fd, true);
    // One that waits may be stopped (Ctrl-Z), and read nothing.
    setNonBlocking(fd);
  }

  /** @param text for the waiting command to print */
  connected(text?: string): void {
    this.#last({ state: "connected", ...(text === undefined ? {} : { text }) });
  }

  state(state: UplinkState): void {
    if (state.phase === "connected") this.connected();
    else if (state.phase === "waiting" && state.isPending)
      this.#last({ state: "pending", reason: state.reason });
    else if (state.phase === "waiting" && state.delayMs > 0)
      this.#send({ state: "waiting", reason: state.reason });
  }

  failed(error: unknown): void {
    const known = error instanceof RexecError ? error : null;
    this.#last({
      state: "failed",
      message: messageOf(error),
      ...(known?.hint ? { hint: known.hint } : {}),
      exitCode: known?.exitCode ?? 1,
      code: known?.code ?? "failed",
    });
  }

  // --- internal ---

  #send(what: Report): void {
    if (this.#fd === null) return;
    try {
      writeSync(this.#fd, `${JSON.stringify(what)}\n`);
    } catch {
      // The one that waited has left, or reads nothing.
    }
  }

  #last(what: Report): void {
    this.#send(what);
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}
