import { UsageError } from "../lib/errors.ts";
import { isPathSegment } from "../protocol/path.ts";
import { defineCommand, mayBeEmpty, withHelp } from "./_cli.ts";
import { escapeArgs, escapeOf } from "./_escape.ts";
import { livenessArgs, livenessOf } from "./_liveness.ts";
import { serverArgs } from "./_server.ts";
import { showShell } from "./_shell.ts";
import { findAwaitedAgent, waitArgs, waitOf } from "./_wait.ts";

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
        description: "A shell of your own in place of the shared one",
      },
      session: mayBeEmpty({
        type: "string",
        valueHint: "SESSION",
        description: "The shell of that name, which is started where there is none (default: main)",
      }),
      record: {
        type: "boolean",
        description: "Record the session, where the server allows it (rexec recordings ls)",
      },
      ...escapeArgs,
      ...waitArgs,
      ...livenessArgs,
      ...serverArgs,
    },
    async run({ args }) {
      const liveness = livenessOf(args);
      const escapeKey = escapeOf(args);
      const wait = waitOf(args);
      if (args.new && args.session !== undefined) {
        throw new UsageError("--new and --session say two different things", "leave one of them out");
      }
      if (args.session !== undefined && !isPathSegment(args.session)) {
        throw new UsageError(`--session cannot be "${args.session}"`, "give it a name, deploy for example");
      }
      const { server, agent } = await findAwaitedAgent(args, args.agent, wait);
      return showShell({
        server,
        agent,
        session: args.session,
        newSession: args.new === true,
        record: args.record === true,
        liveness,
        escapeKey,
        wait,
      });
    },
  }),
  {
    examples: [
      ["rexec connect web-1", "The machine's shared shell: leave with Ctrl+] and find it again later"],
      ["rexec ssh web --new", "A shell of your own; the beginning of a name is enough"],
      ["rexec connect web-1 --session deploy", "A shell with a name, to come back to"],
      [
        "echo 'uptime; exit' | rexec connect web-1",
        "From a pipe: a shell of its own, ended by the end of the pipe",
      ],
    ],
    notes: [
      "Ctrl+], or the key of --escape, leaves. Pressed twice it is typed once; in pasted text it is text. A lost connection is made again by itself, and goes on where it was: no output is lost, and what is typed meanwhile arrives once. Shells outlive their connections: rexec sessions lists them.",
      "With a server or agent that speaks rexec.v1 only, what is typed while the connection is lost is dropped, a shell of your own ends with its connection, and --session is not known.",
      "Where stdin is no terminal the shell is one of your own, its input is echoed as in any terminal, and Ctrl-D is sent once stdin has ended. For one command, rexec exec is the better tool: it keeps stdout and stderr apart.",
    ],
    remoteExit: true,
    exitCodes: {
      "0-255": "the remote shell's own; 0 after the key that leaves",
      "128+n": "the remote shell was ended by signal n",
    },
  },
);
