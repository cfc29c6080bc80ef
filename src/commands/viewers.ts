import { LONGEST_CELL } from "../client/table.ts";
import { ago } from "../lib/duration.ts";
import { printable } from "../lib/printable.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { serverArgs } from "./_server.ts";
import { agentArg } from "./_sessions.ts";
import { stdoutTable } from "./_table.ts";
import { type FoundViewer, viewersOf } from "./_viewers.ts";

export const viewersCommand = withHelp(
  defineCommand({
    meta: { name: "viewers", description: "List the viewers that are connected to your machines" },
    args: {
      agent: {
        ...agentArg,
        required: false,
        description: "Only those of this machine (default: all online)",
      },
      json: { type: "boolean", description: "As a JSON array, each with its agent; times are RFC 3339" },
      ...serverArgs,
    },
    async run({ args }) {
      const { found } = await viewersOf(args, args.agent);
      if (args.json)
        return writeJson(
          found.map(({ agent, viewer }) => ({ agent: { id: agent.id, name: agent.name }, ...viewer })),
        );
      if (found.length > 0) return writeOut(`${tableOf(found)}\n`);
      say("no viewers");
    },
  }),
  {
    examples: [
      ["rexec viewers", "Of all your machines that are online"],
      ["rexec viewers web-1", "Of one"],
      ["rexec kick 3f2a", "Close one of them; the beginning of its id is enough"],
    ],
    notes: ["Addresses are shown to managers of the machine."],
  },
);

// --- internal ---

const COLUMNS = [
  { title: "AGENT", shrink: { min: 8 } },
  { title: "VIEWER", shrink: { min: 8 } },
  { title: "USER", shrink: { min: 8 } },
  { title: "SESSIONS", shrink: { min: 8 } },
  { title: "SINCE" },
  { title: "ADDRESS" },
  { title: "MAY" },
];

function tableOf(found: readonly FoundViewer[]): string {
  const rows = found.map(({ agent, viewer }) => [
    printable(agent.name, LONGEST_CELL),
    printable(viewer.id, LONGEST_CELL),
    printable(viewer.user, LONGEST_CELL),
    viewer.sessions.length > 0 ? printable(viewer.sessions.join(","), LONGEST_CELL) : "-",
    ago(Date.now() - Date.parse(viewer.since)),
    printable(viewer.address ?? "", LONGEST_CELL),
    mayOf(viewer),
  ]);
  return stdoutTable(COLUMNS, rows);
}

function mayOf({ access, controls }: FoundViewer["viewer"]): string {
  if (controls.length > 0) return "type, alone";
  return { view: "look", use: "type", exec: "run" }[access] ?? printable(access);
}
