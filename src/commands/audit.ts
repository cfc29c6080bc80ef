import { listAgents, type Server } from "../client/api.ts";
import { type AuditQuery, followAudit, listAudit } from "../client/audit.ts";
import { pickAgent } from "../client/resolve.ts";
import { ExitCode, messageOf, RexecError, UsageError } from "../lib/errors.ts";
import { printableJson } from "../lib/printable.ts";
import type { AuditEntryInfo } from "../protocol/http-audit.ts";
import { auditCells, momentOf, timeArgs } from "./_audit.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { stdoutTable } from "./_table.ts";

/** Entries that are shown without `--limit`: of a list, and before what is followed. */
const [LISTED, BEFORE] = ["100", "10"];
const MOST = 1_000_000;

export const auditCommand = withHelp(
  defineCommand({
    meta: { name: "audit", description: "Show who did what: sign-ins, sessions, commands, changes" },
    args: {
      ...timeArgs,
      user: { type: "string", valueHint: "NAME|ID", description: "Only what this user did" },
      agent: { type: "string", valueHint: "NAME|ID", description: "Only what concerns this machine" },
      action: {
        type: "string",
        valueHint: "ACTION",
        description: "Only this, exec.finished, or all of a kind: exec.",
      },
      session: { type: "string", valueHint: "SESSION", description: "Only what concerns this session" },
      limit: {
        type: "string",
        valueHint: "N",
        description: `So many of the newest (default ${LISTED}; with -f ${BEFORE})`,
      },
      follow: { type: "boolean", alias: "f", description: "Go on with what happens; the oldest first" },
      json: { type: "boolean", description: "As a JSON array; with -f one object a line" },
      jsonl: { type: "boolean", description: "One JSON object a line, the oldest first, for export" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const query: AuditQuery = {
        since: momentOf("since", args.since),
        until: momentOf("until", args.until),
        user: args.user,
        agent: args.agent === undefined ? undefined : await agentIdOf(server, args.agent),
        action: args.action,
        session: args.session,
      };
      const limit = limitOf(args.limit ?? (args.follow ? BEFORE : LISTED));
      if (args.follow) {
        if (args.until !== undefined)
          throw new UsageError("-f and --until do not go together", "leave one out");
        const write = args.json || args.jsonl ? writeLine : writeText;
        // Taken before the list, so that nothing in between is missed.
        const newest = (await listAudit(server, {}, 1)).at(0)?.seq ?? 0;
        const before = limit === 0 ? [] : (await listAudit(server, query, limit)).reverse();
        for (const entry of before) await write(entry);
        const after = Math.max(newest, ...before.map(({ seq }) => seq));
        return followAudit(server, query, after, write, (error) =>
          say(`the connection was lost: ${messageOf(error)}; it is made again`),
        );
      }
      const entries = await listAudit(server, query, Math.max(1, limit));
      if (args.jsonl) {
        for (const entry of entries.reverse()) await writeLine(entry);
        return 0;
      }
      if (args.json) return writeJson(entries);
      if (entries.length === 0) return say("no entries");
      return writeOut(`${stdoutTable(COLUMNS, entries.map(auditCells))}\n`);
    },
  }),
  {
    examples: [
      ["rexec audit", "The newest entries"],
      ["rexec audit --since 24h --action exec.", "Commands of the last day"],
      ["rexec audit --agent web-1 -f", "Watch what concerns a machine"],
      ["rexec audit --since 2026-01-01 --limit 1000000 --jsonl > audit.jsonl", "Export"],
    ],
    notes: [
      "An administrator sees all; other users see what they did, and what concerns machines that they own or manage.",
      "rexec admin audit verify checks that no entry was changed or removed.",
    ],
  },
);

// --- internal ---

const COLUMNS = [
  { title: "TIME" },
  { title: "USER", shrink: { min: 8 } },
  { title: "FROM", shrink: { min: 9 } },
  { title: "ACTION" },
  { title: "AGENT", shrink: { min: 8 } },
  { title: "WHAT", shrink: { min: 10 } },
];

/** The id of an agent that there is, which finds its entries under earlier names as well; else the name as it is. */
async function agentIdOf(server: Server, reference: string): Promise<string> {
  try {
    return pickAgent(reference, await listAgents(server)).id;
  } catch (error) {
    if (error instanceof RexecError && error.exitCode === ExitCode.rejected) return reference;
    throw error;
  }
}

function limitOf(text: string): number {
  const number = Number(text);
  if (/^\d{1,7}$/.test(text) && number <= MOST) return number;
  throw new UsageError(`--limit cannot be "${text}"`, `give a number up to ${MOST}`);
}

function writeLine(entry: AuditEntryInfo): Promise<void> {
  return writeOut(`${printableJson(entry, 0)}\n`);
}

function writeText(entry: AuditEntryInfo): Promise<void> {
  return writeOut(`${auditCells(entry).join("  ")}\n`);
}
