import { checkSize } from "../client/run/command-size.ts";
import { RemoteRun } from "../client/run/run.ts";
import type { RunOptions } from "../client/run/run-state.ts";
import { ExecV1 } from "../client/v1/run.ts";
import { openViewer, type ViewerTarget } from "../client/viewer.ts";
import { type Wait, whenThere } from "../client/waiting.ts";
import { UsageError } from "../lib/errors.ts";
import { SHOWN_CHARS } from "../protocol/v2/control.ts";
import { SUBPROTOCOL_V2 } from "../protocol/v2/frames.ts";
import {
  type CommandData,
  defineCommand,
  repeatable,
  takesBytes,
  withHelp,
  writeErr,
  writeOut,
} from "./_cli.ts";
import { escapeArgs, escapeOf } from "./_escape.ts";
import { type Collected, Collector, report } from "./_exec-report.ts";
import { onExecSignals } from "./_exec-signals.ts";
import { checkTty, commandOf, environmentOf, lingerOf, timeoutOf } from "./_exec-wish.ts";
import { livenessArgs, livenessOf } from "./_liveness.ts";
import { say } from "./_output.ts";
import { serverArgs } from "./_server.ts";
import { showShell } from "./_shell.ts";
import { awaitedStdin, stdinBytes } from "./_stdin.ts";
import { findAwaitedAgent, waitArgs, waitOf } from "./_wait.ts";

export const execCommand = withHelp(
  defineCommand({
    meta: { name: "exec", description: "Run one command on a machine, and exit as it does" },
    args: {
      agent: {
        type: "positional",
        required: true,
        valueHint: "NAME|ID",
        description: "The machine: its name, its id, or the beginning of one",
      },
      timeout: {
        type: "string",
        valueHint: "TIME",
        description: "Kill it after this long: 30s, 500ms, 5m (a bare number is seconds)",
      },
      linger: {
        type: "string",
        valueHint: "TIME",
        description:
          "How long its output may be silent after its end, held open by what it left (default: 1s)",
      },
      cwd: takesBytes({
        type: "string",
        valueHint: "DIR",
        description: "Working folder there (default: the agent's)",
      }),
      env: takesBytes(
        repeatable({
          type: "string",
          alias: "e",
          valueHint: "K=V",
          description: "Set a variable for it, or hand on one of ours (K alone); may be repeated",
        }),
      ),
      tty: {
        type: "boolean",
        alias: "t",
        description: "On a terminal, as connect does for a shell: for top, vim, sudo",
      },
      noStdin: {
        type: "boolean",
        alias: "n",
        description: "Send no stdin (as in loops that read a file themselves)",
      },
      "allow-basic": {
        type: "boolean",
        description: "Go on where the agent knows no --timeout, --cwd, --env and stdin, without them",
      },
      ...escapeArgs,
      ...waitArgs,
      ...livenessArgs,
      json: { type: "boolean", description: "Print the whole result as one JSON object" },
      ...serverArgs,
    },
    async run({ args, data }) {
      const { rest, values }: CommandData = data;
      if (rest.length === 0) {
        throw new UsageError("no command to run", "write it after --: rexec exec NAME -- uname -a");
      }
      const timeoutMs = timeoutOf(args.timeout);
      const lingerMs = lingerOf(args.linger);
      const env = environmentOf(values.env ?? []);
      const liveness = livenessOf(args);
      const wait = waitOf(args);
      if (args.tty) checkTty(args);
      const options = { ...commandOf(rest, args.cwd, env, args.tty === true), timeoutMs, lingerMs };
      checkSize(options);
      const { server, agent } = await findAwaitedAgent(args, args.agent, wait);
      if (args.tty) {
        const command = { line: options.command, shown: options.shown.slice(0, SHOWN_CHARS).toWellFormed() };
        const escapeKey = escapeOf(args);
        return showShell({ server, agent, command, newSession: true, liveness, escapeKey, wait });
      }
      const viewerId = crypto.randomUUID();
      const target: ViewerTarget = {
        server,
        agentId: agent.id,
        viewerId,
        newSession: true,
        execOnly: true,
        liveness,
      };
      const job: Job = {
        target,
        options,
        stdin: !args.noStdin && !process.stdin.isTTY,
        name: agent.name,
        allowBasic: args["allow-basic"] === true,
        wait,
      };
      const collected: Collected | null = args.json ? [new Collector(), new Collector()] : null;
      const end = await perform(job, collected);
      await report(end, { agent, words: rest, collected });
      return end.exitCode;
    },
  }),
  {
    rest: "COMMAND [ARG…]",
    examples: [
      ["rexec exec web-1 -- uname -a", "One command; its output and its exit code are ours"],
      ["rexec exec web-1 -- ls --help", "Everything after -- belongs to the remote command"],
      ["rexec exec web-1 -- sh -c 'ps aux | wc -l'", "A pipeline is a shell's business: start one"],
      ["tar c src | rexec exec web-1 --cwd /srv -- tar x", "Stdin is handed on, however long it is"],
      ["rexec exec -t web-1 -- top", "On a terminal of its own"],
      [
        "rexec exec web-1 -- journalctl -f | grep -i oom",
        "Output comes as it is written, also without an end",
      ],
    ],
    notes: [
      "The words after -- reach the command exactly as your shell hands them to us: spaces, quotes and $ in them are not looked at again.",
      "Stdin, stdout and stderr are streams of any length, which go on where they were when a lost connection is back. Ctrl-C interrupts the remote command; a second one leaves at once, and the command is hung up. There is no terminal, unless -t asks for one: then output is one stream, Ctrl+] leaves, and the command goes on (rexec sessions).",
      "A process that the command starts and leaves may hold its output open: it is read on until it has been silent for a second (--linger), then cut, which a warning and left_open in --json tell.",
      "An agent of another make knows none of --timeout, --cwd, --env and stdin: what needs one of them is refused there before it runs, unless --allow-basic leaves it out.",
      "With a server or agent that speaks rexec.v1 only, stdin is read to its end and sent first, and output comes when the command has ended: up to 16 MiB each. --json collects up to 16 MiB of each stream.",
    ],
    remoteExit: true,
    exitCodes: {
      "0-255": "the remote command's own; --json says which are rexec's",
      "128+n": "the remote command was ended by signal n",
      124: "also: the time was up",
    },
  },
);

// --- internal ---

interface Job {
  target: ViewerTarget;
  options: {
    command: string;
    shown: string;
    timeoutMs: number | undefined;
    lingerMs: number | undefined;
    cwd: string | undefined;
    env: Record<string, string>;
  };
  /** Ours is handed on. */
  stdin: boolean;
  name: string;
  /** Options that an agent of another make ignores are left out. */
  allowBasic: boolean;
  wait: Wait;
}

async function perform({ target, options, stdin, name, allowBasic, wait }: Job, collected: Collected | null) {
  const signals = onExecSignals();
  const open = () => openViewer(target, new AbortController().signal);
  const connection = await whenThere(target, wait, open);
  const isV2 = connection.protocol === SUBPROTOCOL_V2;
  const input = isV2 ? stdinBytes() : awaitedStdin("waiting for the end of stdin (-n sends none)");
  const [stdout, stderr] = collected ?? [];
  const run = {
    ...options,
    stdin: stdin ? input : null,
    stdout: stdout ? (bytes: Uint8Array) => stdout.add(bytes) : writeOut,
    stderr: stderr ? (bytes: Uint8Array) => stderr.add(bytes) : writeErr,
    allowBasic,
    status,
  };
  const command = isV2 ? new RemoteRun(target, run) : new ExecV1(run);
  if (command.control) signals.handOn(command.control);
  else signals.sayWhatGoesOn(`interrupted; the command may go on running on ${name}`);
  return command.run(connection);
}

function status(status: Parameters<RunOptions["status"]>[0]): void {
  if (status.kind === "recorded") {
    // Programs that read stderr read the command's alone.
    if (process.stderr.isTTY) say("rexec: this command is recorded");
    return;
  }
  const text =
    status.kind === "lost"
      ? `lost the connection (${status.reason}); the command goes on, trying again`
      : "connected again";
  say(`rexec: ${text}`);
}
