import { listAgents, type Server } from "../client/api.ts";
import type { ServerChoice } from "../client/credentials.ts";
import { listSessions } from "../client/sessions.ts";
import { LONGEST_CELL } from "../client/table.ts";
import type { Wait } from "../client/waiting.ts";
import { ago, rfc3339 } from "../lib/duration.ts";
import { messageOf } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { Agent } from "../protocol/http.ts";
import type { SessionInfo } from "../protocol/v2/control.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { colourful } from "./_output.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { agentArg, stateOf } from "./_sessions.ts";
import { stdoutTable } from "./_table.ts";
import { findAwaitedAgent, waitArgs, waitOf, whenAgentThere } from "./_wait.ts";

export const sessionsCommand = withHelp(
  defineCommand({
    meta: { name: "sessions", description: "List the shells and commands that run, or have just ended" },
    args: {
      agent: {
        ...agentArg,
        required: false,
        description: "Only those of this machine (default: all online)",
      },
      json: {
        type: "boolean",
        description: "As a JSON array, each with its agent; times are RFC 3339 or null",
      },
      ...waitArgs,
      ...serverArgs,
    },
    async run({ args }) {
      const found =
        args.agent === undefined
          ? await ofAll(currentServer(args))
          : await ofOne(args, args.agent, waitOf(args));
      if (args.json) return writeJson(found.map(jsonOf));
      if (found.length > 0) return writeOut(`${tableOf(found)}\n`);
      say(`no sessions: rexec connect ${args.agent ?? "NAME"} starts one`);
    },
  }),
  {
    examples: [
      ["rexec sessions", "Of all your machines that are online"],
      ["rexec sessions web-1", "Of one"],
      ["rexec attach web-1 main", "Go back to one of them"],
      ["rexec sessions --json | jq -r '.[] | select(.viewers == 0) | .session'", "For a script"],
    ],
    notes: ["One that has ended can be read for a while: rexec attach."],
  },
);

// --- internal ---

interface Found {
  agent: Agent;
  session: SessionInfo;
}

async function ofOne(choice: ServerChoice, reference: string, wait: Wait): Promise<Found[]> {
  const { server, agent } = await findAwaitedAgent(choice, reference, wait);
  const sessions = await whenAgentThere(server, agent, wait, () => listSessions(server, agent.id));
  return sessions.map((session) => ({ agent, session }));
}

/** One machine that does not answer keeps no other from being listed. */
async function ofAll(server: Server): Promise<Found[]> {
  const online = (await listAgents(server)).filter((agent) => agent.status === "online");
  const answers = await Promise.allSettled(online.map((agent) => listSessions(server, agent.id)));
  const failures = answers.filter((answer) => answer.status === "rejected");
  const [first] = failures;
  if (first && failures.length === online.length) throw first.reason;
  return answers.flatMap((answer, index) => {
    const agent = online[index];
    if (!agent) return [];
    if (answer.status === "fulfilled") return answer.value.map((session) => ({ agent, session }));
    say(`${printable(agent.name, LONGEST_CELL)}: ${messageOf(answer.reason)}`);
    return [];
  });
}

function jsonOf({ agent, session }: Found): object {
  const { started_at, last_output_at, ended_at } = session;
  return {
    agent: { id: agent.id, name: agent.name },
    ...session,
    started_at: rfc3339(started_at),
    last_output_at: rfc3339(last_output_at),
    ended_at: rfc3339(ended_at),
  };
}

const COLUMNS = [
  { title: "AGENT", shrink: { min: 8 } },
  { title: "SESSION", shrink: { min: 12 } },
  { title: "STARTED" },
  { title: "LAST OUTPUT" },
  { title: "VIEWERS" },
  { title: "COMMAND", shrink: { min: 10 } },
  { title: "BYTES" },
  { title: "STATE" },
];

function tableOf(found: readonly Found[]): string {
  const colours = colourful(1);
  const now = Date.now();
  const rows = [...found]
    .sort((a, b) => a.agent.name.localeCompare(b.agent.name) || a.session.started_at - b.session.started_at)
    .map(({ agent, session }) => {
      const state = stateOf(session);
      return [
        printable(agent.name, LONGEST_CELL),
        printable(session.session, LONGEST_CELL),
        ago(now - session.started_at),
        session.last_output_at === null ? "never" : ago(now - session.last_output_at),
        String(session.viewers),
        printable(session.command, LONGEST_CELL),
        size(session.bytes),
        colours && session.ended_at === null ? `\x1b[32m${state}\x1b[39m` : state,
      ];
    });
  return stdoutTable(COLUMNS, rows);
}

/** 999, 1.5k, 12M: four characters at most. */
function size(bytes: number): string {
  let value = bytes;
  for (const unit of ["", "k", "M", "G", "T"]) {
    if (value < 1000) return `${unit && value < 9.95 ? value.toFixed(1) : Math.round(value)}${unit}`;
    value /= 1000;
  }
  return `${Math.round(value)}P`;
}
