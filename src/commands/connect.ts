import { chooseEndpoint, type ServerChoice } from "../client/credentials.ts";
import { asGuest, getShared, parseShare } from "../client/shares.ts";
import { UsageError } from "../lib/errors.ts";
import { isPathSegment } from "../protocol/path.ts";
import { defineCommand, mayBeEmpty, unlessGiven, withHelp } from "./_cli.ts";
import { escapeArgs, escapeOf } from "./_escape.ts";
import { livenessArgs, livenessOf } from "./_liveness.ts";
import { loadCredentials, serverArgs } from "./_server.ts";
import { type ShellWish, showShell } from "./_shell.ts";
import { findAwaitedAgent, waitArgs, waitOf } from "./_wait.ts";

export const connectCommand = withHelp(
  defineCommand({
    meta: { name: "connect", description: "Open a shell on a machine, in this terminal", alias: "ssh" },
    args: {
      agent: unlessGiven(
        { option: "share", variable: "REXEC_SHARE" },
        {
          type: "positional",
          required: false,
          valueHint: "NAME|ID",
          description: "The machine: its name, its id, or the beginning of one",
        },
      ),
      new: {
        type: "boolean",
        description: "A shell of your own in place of the shared one",
      },
      session: mayBeEmpty({
        type: "string",
        valueHint: "SESSION",
        description: "The shell of that name, which is started where there is none (default: main)",
      }),
      share: {
        type: "string",
        valueHint: "LINK|TOKEN",
        description:
          "The session that you were given this link or token for (REXEC_SHARE), in place of a machine",
      },
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
      const shared = args.share ?? (args.agent ? undefined : process.env.REXEC_SHARE);
      if (shared !== undefined) {
        if (args.agent || args.session !== undefined || args.new)
          throw new UsageError(
            "a share names its session itself",
            "leave the machine, --session and --new out",
          );
        return connectShared(shared, args, { liveness, escapeKey });
      }
      if (!args.agent) throw new UsageError("which machine?", "rexec ls lists them");
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
      ["rexec connect --share 'https://…/share#rexec_share_…'", "A session that another user shows you"],
      [
        "echo 'uptime; exit' | rexec connect web-1",
        "From a pipe: a shell of its own, ended by the end of the pipe",
      ],
    ],
    notes: [
      "Ctrl+], or the key of --escape, leaves. With c behind it you take control: no other viewer of the shell can type until you give that back with Ctrl+] o, or leave. Pressed twice it is typed once; in pasted text it is text. A lost connection is made again by itself, and goes on where it was: no output is lost, and what is typed meanwhile arrives once. Shells outlive their connections: rexec sessions lists them.",
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

// --- internal ---

/** As the guest of a share: its server is the link's, and its token counts in place of a login. */
async function connectShared(
  text: string,
  choice: ServerChoice,
  wish: Pick<ShellWish, "liveness" | "escapeKey">,
): Promise<number> {
  const { token, host } = parseShare(text);
  const { endpoint } = chooseEndpoint(
    host === null ? choice : { ...choice, host },
    loadCredentials(),
    process.env,
  );
  const server = { endpoint, token };
  try {
    const { agent, session } = await getShared(server);
    const its = { ...agent, status: "online" };
    return await showShell({ server, agent: its, session, create: false, isShared: true, ...wish });
  } catch (error) {
    throw asGuest(error);
  }
}
