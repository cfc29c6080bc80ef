import { UsageError } from "../lib/errors.ts";
import { defineCommand, withHelp } from "./_cli.ts";
import { escapeArgs, escapeOf } from "./_escape.ts";
import { livenessArgs, livenessOf } from "./_liveness.ts";
import { serverArgs } from "./_server.ts";
import { agentArg, findSession, sessionArg } from "./_sessions.ts";
import { showShell } from "./_shell.ts";
import { waitArgs, waitOf } from "./_wait.ts";

export const attachCommand = withHelp(
  defineCommand({
    meta: { name: "attach", description: "Go back to a shell that is there, also where it has ended" },
    args: {
      agent: agentArg,
      session: sessionArg,
      ...escapeArgs,
      ...waitArgs,
      ...livenessArgs,
      ...serverArgs,
    },
    async run({ args }) {
      const liveness = livenessOf(args);
      const escapeKey = escapeOf(args);
      const wait = waitOf(args);
      const { server, agent, session } = await findSession(args, args.agent, args.session, wait);
      if (session.kind === "run") {
        throw new UsageError(
          `${session.session} is a command, not a shell`,
          "its output belongs to whoever runs it; rexec kill ends it",
        );
      }
      return showShell({ server, agent, session: session.session, create: false, liveness, escapeKey, wait });
    },
  }),
  {
    examples: [
      ["rexec attach web-1 main", "The screen as it is now, and everything from then on"],
      ["rexec attach web-1 split-3f", "The beginning of a session's name is enough"],
    ],
    notes: [
      "Never starts a shell: rexec connect does. One that has ended shows what is left of it, and its exit code is ours.",
    ],
    remoteExit: true,
    exitCodes: {
      "0-255": "the remote shell's own; 0 after the key that leaves",
      "128+n": "the remote shell was ended by signal n",
    },
  },
);
