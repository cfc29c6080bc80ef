import { listRecordings } from "../../client/recordings/api.ts";
import { LONGEST_CELL } from "../../client/table.ts";
import { ago, parseDuration, rfc3339 } from "../../lib/duration.ts";
import { UsageError } from "../../lib/errors.ts";
import { printable } from "../../lib/printable.ts";
import type { RecordingView } from "../../protocol/http-recordings.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { stdoutTable } from "../_table.ts";
import { findAwaitedAgent, waitArgs, waitOf } from "../_wait.ts";
import { clockTime, shortId } from "./_recording.ts";

export const recordingsLsCommand = withHelp(
  defineCommand({
    meta: { name: "ls", description: "List recordings, the newest first", alias: "list" },
    args: {
      agent: { type: "string", valueHint: "NAME|ID", description: "Only those of this machine" },
      user: { type: "string", valueHint: "NAME", description: "Only those whose first viewer was this user" },
      session: { type: "string", valueHint: "SESSION", description: "Only those of sessions of this name" },
      since: {
        type: "string",
        valueHint: "TIME",
        description: "Only those begun since then: 2h, 3d, or 2026-01-31",
      },
      limit: { type: "string", valueHint: "N", default: "50", description: "At most so many, up to 500" },
      json: { type: "boolean", description: "As a JSON array; times are RFC 3339, durations seconds" },
      ...waitArgs,
      ...serverArgs,
    },
    async run({ args }) {
      const limit = Number(args.limit);
      if (!/^\d+$/.test(args.limit) || limit < 1 || limit > 500)
        throw new UsageError(`--limit cannot be "${args.limit}"`, "it is a number from 1 to 500");
      const since = sinceOf(args.since);
      const found = args.agent === undefined ? null : await findAwaitedAgent(args, args.agent, waitOf(args));
      const server = found?.server ?? currentServer(args);
      const { user, session } = args;
      const query = { agent: found?.agent.id, user, session, since, limit };
      const recordings = await listRecordings(server, query);
      if (args.json) return writeJson(recordings);
      if (recordings.length > 0) return writeOut(`${tableOf(recordings)}\n`);
      say("no recordings: rexec connect --record makes one");
    },
  }),
  {
    examples: [
      ["rexec recordings ls --agent web-1 --since 1d", "Of one machine, since yesterday"],
      ["rexec recordings ls --json | jq -r '.[0].id'", "The newest one's id, for a script"],
    ],
  },
);

// --- internal ---

function sinceOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  const time = ms !== null && /[a-z]/i.test(text) ? Date.now() - ms : Date.parse(text);
  const since = rfc3339(time);
  if (since) return since;
  throw new UsageError(`--since cannot be "${text}"`, "it is 2h, 3d, or a date such as 2026-01-31");
}

const COLUMNS = [
  { title: "RECORDING" },
  { title: "AGENT", shrink: { min: 8 } },
  { title: "SESSION", shrink: { min: 8 } },
  { title: "USER", shrink: { min: 6 } },
  { title: "STARTED" },
  { title: "LENGTH" },
  { title: "BYTES" },
  { title: "STATE", shrink: { min: 9 } },
];

function tableOf(recordings: readonly RecordingView[]): string {
  const now = Date.now();
  const rows = recordings.map((recording) => [
    shortId(recording),
    printable(recording.agent.name, LONGEST_CELL),
    printable(`${recording.session}${recording.part > 1 ? ` (part ${recording.part})` : ""}`, LONGEST_CELL),
    printable(recording.user, LONGEST_CELL),
    ago(now - Date.parse(recording.started_at)),
    clockTime(recording.duration),
    String(recording.bytes),
    printable(
      recording.cut ? `${recording.state}, cut: ${recording.cut.reason}` : recording.state,
      LONGEST_CELL,
    ),
  ]);
  return stdoutTable(COLUMNS, rows);
}
