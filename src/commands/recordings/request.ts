/** `recordings start` and `recordings stop`: of a session that runs. */
import { recordSession } from "../../client/recordings/api.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { serverArgs } from "../_server.ts";
import { agentArg, findSession, sessionArg } from "../_sessions.ts";
import { waitArgs, waitOf, whenAgentThere } from "../_wait.ts";

const args = { agent: agentArg, session: sessionArg, ...waitArgs, ...serverArgs };

export const recordingsStartCommand = withHelp(
  defineCommand({
    meta: { name: "start", description: "Record a session that runs, from now on" },
    args,
    run: (call) => record(call.args, true),
  }),
  { examples: [["rexec recordings start web-1 main", "Its viewers are told"]] },
);

export const recordingsStopCommand = withHelp(
  defineCommand({
    meta: { name: "stop", description: "End the recording of a session" },
    args,
    run: (call) => record(call.args, false),
  }),
  { examples: [["rexec recordings stop web-1 main", "The session goes on"]] },
);

// --- internal ---

type Given = Parameters<typeof findSession>[0] &
  Parameters<typeof waitOf>[0] & { agent: string; session: string };

async function record(given: Given, on: boolean): Promise<void> {
  const wait = waitOf(given);
  const { server, agent, session } = await findSession(given, given.agent, given.session, wait);
  await whenAgentThere(server, agent, wait, () => recordSession(server, agent.id, session.session, on));
  say(`${session.session} on ${agent.name} is recorded ${on ? "from now on" : "no more"}`);
}
