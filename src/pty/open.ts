/** Opens a PTY with the backend that works on this machine. */
import { loadAddon, type PtyAddon } from "./addon.ts";
import { BunTerminalPty } from "./bun-terminal.ts";
import { checkOptions } from "./check.ts";
import { PtyOpenError } from "./errors.ts";
import { isMusl, libc } from "./libc.ts";
import { NativePty } from "./native.ts";
import type { Pty, PtyOptions } from "./pty.ts";

/** The backend of new PTYs, and the reason, for `status` and `doctor`. */
export interface PtyBackend {
  backend: "native" | "bun";
  /** A sentence; for the fallback with the remedy. */
  reason: string;
}

let chosen: { choice: PtyBackend; addon: PtyAddon | null } | null = null;

/**
 * Starts a program on a new PTY: node-pty's native core where it can be loaded, else Bun's own terminal.
 * `REXEC_PTY=native|bun` in the environment forces one; it is read at the first call.
 *
 * @throws PtyOpenError for a bad program or folder, or where the kernel gives no PTY; `BACKEND_UNAVAILABLE` where the
 * native backend is forced and cannot be loaded
 */
export function openPty(options: PtyOptions): Pty {
  checkOptions(options);
  chosen ??= choose(process.env.REXEC_PTY);
  return chosen.addon === null ? new BunTerminalPty(options) : new NativePty(chosen.addon, options);
}

/** An `openPty` that calls `onFallback` once, at the first PTY, where the fallback serves. */
export function ptyOpener(onFallback: (reason: string) => void): typeof openPty {
  let told = false;
  return (options) => {
    const pty = openPty(options);
    const { backend, reason } = ptyBackend();
    if (backend === "bun" && !told) onFallback(reason);
    told = true;
    return pty;
  };
}

/** The backend that `openPty` uses. @throws PtyOpenError as `openPty` does where a forced one cannot be loaded. */
export function ptyBackend(): PtyBackend {
  chosen ??= choose(process.env.REXEC_PTY);
  return chosen.choice;
}

// --- internal ---

function choose(forced: string | undefined): { choice: PtyBackend; addon: PtyAddon | null } {
  if (forced === "bun") return fallback("REXEC_PTY=bun asks for it");
  try {
    if (isMusl()) throw new Error("node-pty's addon is built for glibc, and this process runs on musl");
    libc(); // without it a master could not be kept from the next session's shell
    const addon = loadAddon();
    const reason = forced === "native" ? "REXEC_PTY=native asks for it" : "node-pty's addon is loaded";
    return { choice: { backend: "native", reason }, addon };
  } catch (cause) {
    const why = explain(cause);
    if (forced !== "native") return fallback(why);
    throw new PtyOpenError("BACKEND_UNAVAILABLE", `REXEC_PTY=native cannot be met: ${why}`, { cause });
  }
}

function fallback(reason: string) {
  return { choice: { backend: "bun" as const, reason }, addon: null };
}

/** Why the addon cannot be used, and what to do about it. */
function explain(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/libstdc\+\+|libgcc_s/.test(message)) return `${message}; install libstdc++ (libstdc++6, libgcc-s1)`;
  if (/GLIBC_/.test(message)) return `${message}; node-pty's addon needs glibc 2.28 or later`;
  if (/musl/.test(message)) return message;
  return `${message}; it is unpacked to $BUN_TMPDIR, $TMPDIR or /tmp: set BUN_TMPDIR to a folder that is not full and not noexec`;
}
