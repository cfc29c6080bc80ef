import { listAgents, type Server } from "../client/api.ts";
import { LONGEST_CELL } from "../client/table.ts";
import { ago, rfc3339 } from "../lib/duration.ts";
import { printable } from "../lib/printable.ts";
import type { Agent } from "../protocol/http.ts";
import { defineCommand, repeatable, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { colourful } from "./_output.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { stdoutTable } from "./_table.ts";

export const lsCommand = withHelp(
  defineCommand({
    meta: { name: "ls", description: "List your machines", alias: "list" },
    args: {
      json: {
        type: "boolean",
        description: "As a JSON array, as the server's API answers it; times are RFC 3339 or null",
      },
      pending: {
        type: "boolean",
        description: "Those that wait to be accepted (rexec accept), and no others",
      },
      online: { type: "boolean", description: "Only those that are connected now" },
      tag: repeatable({
        type: "string",
        valueHint: "TAG",
        description: "Only those with this tag; may be repeated",
      }),
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const all = await (args.pending ? listWaiting(server) : listAgents(server));
      const wanted = (args.tag ?? "").split(",").filter(Boolean);
      const agents = all
        .filter((agent) => !args.online || agent.status === "online")
        .filter((agent) => wanted.every((tag) => agent.tags?.includes(tag)));
      if (args.json) return writeJson(agents.map(jsonOf));
      if (process.stdout.isTTY && !args.pending) await tellWaiting(server);
      if (agents.length > 0) return writeOut(`${tableOf(agents)}\n`);
      if (all.length > 0) return say(noMatch(args.online === true, wanted));
      say(args.pending ? "no machine waits to be accepted" : NONE_YET);
    },
  }),
  {
    notes: [
      "A tag in brackets is one that the machine gave itself: rights do not go by it (rexec tag gives it).",
    ],
    examples: [
      ["rexec ls", "All machines, as a table"],
      ["rexec ls --pending", "Those that wait to be accepted"],
      ["rexec ls --online --tag production", "Those that are up and have a tag"],
      ["rexec ls --json | jq -r '.[].name'", "For a script"],
    ],
  },
);

// --- internal ---

const NONE_YET =
  "no machines yet. Make a join token, which prints the line to paste on the one that you want to reach: rexec join create";

async function listWaiting(server: Server): Promise<Agent[]> {
  const { listPending } = await import("../client/joins.ts");
  return listPending(server);
}

/** For a person, who may wonder where a machine is. */
async function tellWaiting(server: Server): Promise<void> {
  const { length } = await listWaiting(server).catch(() => []);
  const wait = length === 1 ? "1 machine waits" : `${length} machines wait`;
  if (length > 0) say(`${wait} to be accepted: rexec ls --pending`);
}

/** As the API tells it; what another server leaves out or writes otherwise is made the same. */
function jsonOf(agent: Agent): object {
  const { created_at, connected_at, last_ping, system_info } = agent;
  return {
    ...agent,
    created_at: rfc3339(created_at),
    connected_at: rfc3339(connected_at),
    last_ping: rfc3339(last_ping),
    agent_version: agent.agent_version ?? system_info?.agent_version ?? null,
  };
}

/** The filters, in the words of the command line. */
function noMatch(online: boolean, tags: readonly string[]): string {
  if (tags.length === 0) return "no machine is online";
  return `no ${online ? "online " : ""}machine matches ${tags.map((tag) => `"${tag}"`).join(" and ")}`;
}

const COLUMNS = [
  { title: "NAME", shrink: { min: 12 } },
  { title: "ID" },
  { title: "STATUS" },
  { title: "OS/ARCH" },
  { title: "TAGS", shrink: { min: 6 } },
  { title: "LAST SEEN" },
];

function tableOf(agents: readonly Agent[]): string {
  const colours = colourful(1);
  const rows = [...agents]
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((agent) => [
      printable(agent.name, LONGEST_CELL),
      printable(agent.id.slice(0, 8)),
      colours && agent.status === "online"
        ? `\x1b[32m${agent.status}\x1b[39m`
        : printable(agent.pending ? "pending" : agent.status, LONGEST_CELL),
      printable(`${agent.os ?? "?"}/${agent.arch ?? "?"}`, LONGEST_CELL),
      printable(tagsOf(agent), LONGEST_CELL),
      lastSeen(agent),
    ]);
  return stdoutTable(COLUMNS, rows);
}

/** Those that the machine gave itself, and that give no right, are in brackets. */
function tagsOf({ tags, own_tags }: Agent): string {
  return (tags ?? []).map((tag) => (own_tags?.includes(tag) ? `(${tag})` : tag)).join(",");
}

function lastSeen(agent: Agent): string {
  if (agent.status === "online") return "now";
  const times = [agent.last_ping, agent.connected_at].map((time) => Date.parse(rfc3339(time) ?? ""));
  const last = Math.max(...times.filter((time) => !Number.isNaN(time)));
  return Number.isFinite(last) ? ago(Date.now() - last) : "never";
}
