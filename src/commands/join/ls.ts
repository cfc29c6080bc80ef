import { listJoins } from "../../client/joins.ts";
import { LONGEST_CELL } from "../../client/table.ts";
import { rfc3339 } from "../../lib/duration.ts";
import { printable } from "../../lib/printable.ts";
import type { Join } from "../../protocol/http-joins.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { stdoutTable } from "../_table.ts";

export const joinLsCommand = withHelp(
  defineCommand({
    meta: { name: "ls", description: "List join tokens, without their secrets", alias: "list" },
    args: {
      all: { type: "boolean", description: "Those that are used up, expired or revoked, too" },
      json: { type: "boolean", description: "As a JSON array; times are RFC 3339" },
      ...serverArgs,
    },
    async run({ args }) {
      const all = await listJoins(currentServer(args));
      const joins = all.filter(({ state }) => args.all || state === "valid");
      if (args.json) return writeJson(joins);
      if (joins.length > 0) return writeOut(`${tableOf(joins)}\n`);
      const isSome = all.length > 0;
      say(
        isSome
          ? "no join token can be used any more: rexec join create makes one, join ls --all lists those of before"
          : "no join tokens: rexec join create makes one",
      );
    },
  }),
  { examples: [["rexec join ls --all", "Those that are of no use any more, too"]] },
);

// --- internal ---

const COLUMNS = [
  { title: "TOKEN" },
  { title: "FOR", shrink: { min: 6 } },
  { title: "USES" },
  { title: "EXPIRES" },
  { title: "TAGS", shrink: { min: 6 } },
  { title: "NAMES", shrink: { min: 6 } },
  { title: "MACHINES" },
  { title: "STATE" },
];

function tableOf(joins: readonly Join[]): string {
  const rows = joins.map((join) => [
    printable(`${join.token_prefix ?? ""}…`),
    printable(join.description ?? "", LONGEST_CELL),
    `${join.uses ?? "?"}/${join.max_uses ?? "unlimited"}`,
    printable(rfc3339(join.expires_at)?.slice(0, 16).replace("T", " ") ?? "?"),
    printable(join.tags?.join(",") ?? "", LONGEST_CELL),
    printable(join.name_pattern ?? "", LONGEST_CELL),
    [join.ephemeral ? "ephemeral" : "", join.approve ? "wait" : ""].filter(Boolean).join(",") || "stay",
    printable(join.state ?? "?"),
  ]);
  return stdoutTable(COLUMNS, rows);
}
