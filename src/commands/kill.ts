import { killSession } from "../client/sessions.ts";
import { RexecError, UsageError } from "../lib/errors.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { serverArgs } from "./_server.ts";
import { agentArg, describe, findSession, sessionArg } from "./_sessions.ts";
import { confirm } from "./_stdin.ts";
import { waitArgs, waitOf, whenAgentThere } from "./_wait.ts";

export const killCommand = withHelp(
  defineCommand({
    meta: { name: "kill", description: "End a shell or a command, and everything that runs in it" },
    args: {
      agent: agentArg,
      session: sessionArg,
      yes: { type: "boolean", alias: "y", description: "Do not ask" },
      ...waitArgs,
      ...serverArgs,
    },
    async run({ args }) {
      const wait = waitOf(args);
      const { server, agent, session } = await findSession(args, args.agent, args.session, wait);
      const what = `${session.session} on ${agent.name}`;
      if (session.ended_at !== null) {
        throw new RexecError(`${what} has ended already`, { code: "session_ended" });
      }
      if (!args.yes) {
        if (!process.stdin.isTTY)
          throw new UsageError(`stdin is no terminal to ask whether ${what} is meant`, "give --yes");
        if (!(await confirm(`kill ${what} (${describe(session)})?`))) return 1;
      }
      await whenAgentThere(server, agent, wait, () => killSession(server, agent.id, session.session));
      say(`killed ${what}`);
      return 0;
    },
  }),
  {
    examples: [
      ["rexec kill web-1 main", "Ask, and end the shared shell"],
      ["rexec kill web-1 split-3f --yes", "Do not ask; the beginning of a session's name is enough"],
    ],
  },
);
