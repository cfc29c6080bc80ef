/** A remote shell in the terminal of this process: what `rexec connect` and `rexec attach` share. */

import type { Server } from "../client/api.ts";
import { attach } from "../client/shell/attach.ts";
import type { AttachStatus, Left } from "../client/shell/attach-context.ts";
import { clearOverlay, overlay } from "../client/shell/screen.ts";
import type { EscapeKey } from "../client/terminal/escape-key.ts";
import type { LocalTerminal } from "../client/terminal/terminal.ts";
import type { Wait } from "../client/waiting.ts";
import { counted } from "../lib/count.ts";
import { printable } from "../lib/printable.ts";
import type { LivenessTimes } from "../link/liveness.ts";
import type { Agent } from "../protocol/http.ts";
import type { ViewerTerminal } from "../protocol/v2/control.ts";
import { colourful, say, writeErr } from "./_output.ts";
import { guard, localTerminal, ownLine } from "./_terminal.ts";

/** A shell as a command line asks for it. */
export interface ShellWish {
  server: Server;
  agent: Agent;
  /** Undefined: the shared one, or a new one. */
  session?: string | undefined;
  /** A shell of our own, also where stdin is no terminal. */
  newSession?: boolean;
  /** False: never start a shell. */
  create?: boolean;
  /** This in place of a shell. */
  command?: { line: string; shown: string };
  /** Record the session, where the server allows it. */
  record?: boolean;
  liveness: LivenessTimes;
  /** The key that leaves; null for none. */
  escapeKey: EscapeKey | null;
  /** Undefined: fails at once where the machine is away. */
  wait?: Wait;
  /** The guest of a share: of what it shows. */
  isShared?: boolean;
}

/** Shows it to its end. @returns our exit code */
export async function showShell({
  server,
  agent,
  session,
  create,
  command,
  record,
  escapeKey,
  ...wish
}: ShellWish): Promise<number> {
  const terminal = localTerminal();
  const name = printable(agent.name);
  const newSession = session === undefined && (wish.newSession === true || !terminal.interactive);
  const leaving = escapeKey === null ? "" : `${escapeKey.name} leaves`;
  if (terminal.interactive && !command) say(`rexec: connecting to ${name}${leaving && `; ${leaving}`}`);
  if (terminal.shown && process.env.TERM === "dumb")
    say(
      "rexec: TERM is dumb here: programs that draw a screen will not look right (TERM=xterm-256color, if it is one)",
    );
  const ending = guard(terminal);
  try {
    const target = {
      server,
      agentId: agent.id,
      viewerId: crypto.randomUUID(),
      newSession,
      liveness: wish.liveness,
      isShared: wish.isShared === true,
    };
    const status = statusPrinter(terminal, {
      name,
      leaving: leaving && ` (${leaving})`,
      key: escapeKey?.name ?? "",
    });
    const { signal } = ending;
    const { wait } = wish;
    const look = terminal.shown ? lookOf(process.env) : undefined;
    const its = { terminal, look, escapeKey, status };
    const end = await attach({ target, session, create, command, record, wait, signal, ...its });
    terminal.restore();
    if (end.kind === "exited") return end.exitCode;
    if (ending.exitCode !== null) return ending.exitCode;
    const after = wish.isShared ? "" : whereItLives(end, name, command ? "command" : "shell");
    void writeErr(`${ownLine(terminal)}rexec: left ${name}${after}\n`);
    return 0;
  } catch (error) {
    terminal.restore();
    // The caller prints the error, on a line of its own and not in the middle of what the shell wrote last.
    if (terminal.wasShown && process.stderr.isTTY) await writeErr(ownLine(terminal));
    throw error;
  } finally {
    terminal.restore();
  }
}

// --- internal ---

function whereItLives({ livesOn, isKept }: Left, name: string, what: string): string {
  if (livesOn === null) return "";
  const again = livesOn === "main" ? `rexec connect ${name}` : `rexec attach ${name} ${printable(livesOn)}`;
  if (isKept) return `; its ${what} lives on (${again})`;
  return "; its shell lives on only while another viewer is connected: this server speaks rexec.v1";
}

/** Only what every peer takes: a longer or stranger name is as good as none. */
function lookOf({ TERM, COLORTERM }: NodeJS.ProcessEnv): ViewerTerminal {
  return { term: TERM || undefined, colorterm: COLORTERM || undefined };
}

/** What messages name. */
interface Words {
  /** Of the machine. */
  name: string;
  /** ` (Ctrl+] leaves)`, where a key does. */
  leaving: string;
  /** `Ctrl+]`; empty for none. */
  key: string;
}

function statusPrinter(terminal: LocalTerminal, words: Words): (status: AttachStatus) => void {
  let v2 = false;
  return (status) => {
    if (status.kind === "connected") {
      v2 = status.v2;
      terminal.enterRaw();
      return;
    }
    const text = printable(statusText(status, words));
    // Who else is there is told before there is anything to overwrite.
    if (!v2 || !terminal.shown || status.kind === "others")
      writeErr(statusLine(status, text)).catch(() => {});
    // The line under the cursor is the shell's, and stays as it wrote it.
    else if (isGoodNews(status)) void terminal.notice(clearOverlay());
    else if (text) void terminal.notice(overlay(text, terminal.size()?.cols ?? 80));
  };
}

/** What was told before is over. */
function isGoodNews(status: AttachStatus): boolean {
  return status.kind === "reconnected" || (status.kind === "agent" && status.online);
}

/** One line each, which the next one overwrites on a terminal (in raw mode, where a line needs its return, too). */
function statusLine(event: AttachStatus, text: string): string {
  if (!process.stderr.isTTY) return `rexec: ${text}\n`;
  const line = colourful(2) ? `\x1b[7m rexec: ${text} \x1b[0m` : `rexec: ${text}`;
  const transient = event.kind === "lost" || (event.kind === "agent" && !event.online);
  return `\r\x1b[2K${line}${transient ? "" : "\r\n"}`;
}

function statusText(event: AttachStatus, { name, leaving, key }: Words): string {
  switch (event.kind) {
    case "connected":
      return "";
    case "others":
      return event.text;
    case "control":
      return event.isHolder && key ? `${event.text} (${key} o gives it back)` : event.text;
    case "recorded":
      return event.on ? "this session is recorded from now on" : "this session is recorded no more";
    case "reconnected":
      return `connected to ${name} again`;
    case "lost":
      return `${event.reason}; trying again in ${Math.ceil(event.retryInMs / 1000)} s${leaving}`;
    case "agent":
      return event.online ? `${name} is back` : `${name} went offline; waiting for it${leaving}`;
    case "skipped":
      return `${counted(event.bytes, "byte")} of output ${event.bytes === 1 ? "was" : "were"} skipped`;
    case "input_lost":
      return `${counted(event.bytes, "byte")} of input may not have arrived`;
    case "size":
      return `this session is ${event.cols} by ${event.rows} now, the size of whoever types in it`;
  }
}
