import { writeSync } from "node:fs";
import { type AttachStatus, attach } from "../client/attach.ts";
import { printable } from "../client/table.ts";
import { LocalTerminal } from "../client/terminal.ts";
import { messageOf, RexecError } from "../lib/errors.ts";
import { enterRawMode, type RawMode } from "../pty/raw-mode.ts";
import { defineCommand, say, withHelp, writeErr, writeOut } from "./_cli.ts";
import { colourful } from "./_output.ts";
import { findAgent, serverArgs } from "./_server.ts";
import { stdinBytes } from "./_stdin.ts";

export const connectCommand = withHelp(
  defineCommand({
    meta: { name: "connect", description: "Open a shell on a machine, in this terminal", alias: "ssh" },
    args: {
      agent: {
        type: "positional",
        required: true,
        valueHint: "NAME|ID",
        description: "The machine: its name, its id, or the beginning of one",
      },
      new: {
        type: "boolean",
        description: "A shell of your own, which ends with this connection, in place of the shared one",
      },
      ...serverArgs,
    },
    async run({ args }) {
      const { server, agent } = await findAgent(args, args.agent);
      const terminal = localTerminal();
      const newSession = args.new === true || !terminal.interactive;
      const signal = new AbortController().signal;
      const name = printable(agent.name);
      const lives = newSession ? "" : ", the shell lives on";
      if (terminal.interactive) await writeErr(`rexec: connecting to ${name}; Ctrl+] leaves${lives}\n`);
      guard(terminal);
      try {
        const target = { server, agentId: agent.id, viewerId: crypto.randomUUID(), newSession };
        const status = (event: AttachStatus) => {
          if (event.kind === "connected") terminal.enterRaw();
          else void writeErr(statusLine(event, name));
        };
        const end = await attach({ target, terminal, status, signal });
        terminal.restore();
        if (end.kind === "exited") return end.exitCode;
        say(`\nrexec: left ${name}${newSession ? "" : `; its shell lives on (rexec connect ${name})`}`);
        return 0;
      } finally {
        terminal.restore();
      }
    },
  }),
  {
    examples: [
      ["rexec connect web-1", "The machine's shared shell: leave with Ctrl+] and find it again later"],
      ["rexec ssh web --new", "A shell of your own; the beginning of a name is enough"],
      [
        "echo 'uptime; exit' | rexec connect web-1",
        "From a pipe: a shell of its own, ended by the end of the pipe",
      ],
    ],
    notes: [
      "Ctrl+] leaves; a Ctrl+] in pasted text is text. A lost connection is made again by itself; what is typed meanwhile is not sent.",
      "Where stdin is no terminal the shell is one of your own, its input is echoed as in any terminal, and Ctrl-D is sent once stdin has ended. For one command, rexec exec is the better tool: it keeps stdout and stderr apart.",
    ],
    exitCodes: {
      "0-255": "the remote shell's own; 0 after Ctrl+]",
      "128+n": "the remote shell was ended by signal n",
    },
  },
);

// --- internal ---

function localTerminal(): LocalTerminal {
  return new LocalTerminal({
    interactive: process.stdin.isTTY === true,
    input: { [Symbol.asyncIterator]: stdinBytes },
    screens: [process.stdout, process.stderr],
    write: writeOut,
    enterRaw,
    undo: process.stdout.isTTY ? (text) => void writeSync(1, text) : null,
  });
}

/** Where libc cannot be called, the runtime's raw mode is nearly as good. */
function enterRaw(): RawMode {
  try {
    return enterRawMode(0);
  } catch {
    const set = (on: boolean) => void process.stdin.setRawMode(on);
    set(true);
    return { again: () => set(true), restore: () => set(false) };
  }
}

/** Whatever ends this process, but SIGKILL, leaves the terminal as it was. */
function guard(terminal: LocalTerminal): void {
  process.on("exit", () => terminal.restore());
  for (const [signal, number] of ENDING_SIGNALS) process.on(signal, () => process.exit(128 + number));
  process.on("SIGCONT", () => terminal.resume());
  const crash = (error: unknown) => {
    terminal.restore();
    writeSync(2, `error: ${messageOf(error)}\n`);
    process.exit(error instanceof RexecError ? error.exitCode : 1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}

const ENDING_SIGNALS = [
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGQUIT", 3],
  ["SIGTERM", 15],
] as const;

/** One line each, which the next one overwrites on a terminal (in raw mode, where a line needs its return, too). */
function statusLine(event: AttachStatus, name: string): string {
  const text = `rexec: ${printable(statusText(event, name))}`;
  if (!process.stderr.isTTY) return `${text}\n`;
  const line = colourful(process.stderr) ? `\x1b[7m ${text} \x1b[0m` : text;
  const transient = event.kind === "lost" || (event.kind === "agent" && !event.online);
  return `\r\x1b[2K${line}${transient ? "" : "\r\n"}`;
}

function statusText(event: AttachStatus, name: string): string {
  switch (event.kind) {
    case "connected":
      return "";
    case "reconnected":
      return `connected to ${name} again`;
    case "lost":
      return `${event.reason}; trying again in ${Math.ceil(event.retryInMs / 1000)} s (Ctrl+] leaves)`;
    case "agent":
      return event.online ? `${name} is back` : `${name} went offline; waiting for it (Ctrl+] leaves)`;
  }
}
