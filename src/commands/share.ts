/** `rexec share`: one session of a machine, for guests. */

import type { ServerChoice } from "../client/credentials.ts";
import { createShare, listShares, revokeShare, type Share } from "../client/shares.ts";
import { LONGEST_CELL } from "../client/table.ts";
import { ago, parseDuration, rfc3339 } from "../lib/duration.ts";
import { ExitCode, RexecError, UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { atAgentArg, findRunningSession } from "./_sessions.ts";
import { stdoutTable } from "./_table.ts";
import { waitArgs, waitOf } from "./_wait.ts";

export const shareCommand = withHelp(
  defineCommand({
    meta: { name: "share", description: "Show one session to a guest, by a link that you can take back" },
    args: {
      session: {
        type: "positional",
        required: true,
        valueHint: "SESSION|ls|rm",
        description: "The session, or its beginning; ls lists your shares, rm revokes one",
      },
      id: {
        type: "positional",
        required: false,
        valueHint: "SHARE",
        description: "With rm: the share's id, its beginning, or its name",
      },
      agent: atAgentArg,
      view: { type: "boolean", description: "The guest can look (default)" },
      type: { type: "boolean", description: "The guest can look and type" },
      expires: {
        type: "string",
        valueHint: "TIME",
        description:
          "Let it end after 30m, 1h, 7d (default 1h, at most 30d); it ends with the session in any case",
      },
      name: { type: "string", valueHint: "NAME", description: "What other viewers see: shared: NAME" },
      all: { type: "boolean", description: "With ls: those that are over, too" },
      json: { type: "boolean", description: "As JSON; times are RFC 3339" },
      ...waitArgs,
      ...serverArgs,
    },
    async run({ args }) {
      if (args.session === "ls" && args.id === undefined) return ls(args);
      if (args.session === "rm") return rm(args);
      if (args.id !== undefined)
        throw new UsageError(`one session too many: ${args.id}`, "share one at a time");
      if (args.view && args.type)
        throw new UsageError("--view and --type say two different things", "give one");
      const expires = args.expires === undefined ? undefined : parseDuration(args.expires);
      if (expires === null || expires === 0)
        throw new UsageError(`--expires cannot be "${args.expires}"`, "give 30m, 1h or 7d");
      const wait = waitOf(args);
      const { server, agent, session } = await findRunningSession(args, args.session, args.agent, wait);
      const made = await createShare(server, agent.id, session.session, {
        level: args.type ? "type" : "view",
        name: args.name,
        expires_in_seconds: expires === undefined ? undefined : Math.ceil(expires / 1_000),
      });
      if (args.json) return writeJson(made);
      const what = made.level === "type" ? "look and type" : "look";
      const until = printable(rfc3339(made.expires_at)?.slice(0, 16).replace("T", " ") ?? "its expiry");
      say(`a guest with this link can ${what} until ${until} UTC; take it back: rexec share rm ${made.id}`);
      await writeOut(`${printable(made.link, LONGEST_CELL)}\n`);
      say("in a terminal the guest opens it with: rexec connect --share 'LINK'");
      return 0;
    },
  }),
  {
    examples: [
      ["rexec share main --agent web-1", "A link to look at it for an hour"],
      ["rexec share deploy --type --expires 30m --name bob", "To type as well, for half an hour"],
      ["rexec share ls", "Who was given what"],
      ["rexec share rm bob", "Take it back: those that look are cut off at once"],
    ],
    notes: [
      "A guest sees that one session and nothing else: no list, no commands, no other shell. A share ends with its session, " +
        "when its time is over, when it is taken back, and when you may not use the machine any more.",
    ],
  },
);

// --- internal ---

interface Args extends ServerChoice {
  all?: boolean | undefined;
  json?: boolean | undefined;
  id?: string | undefined;
}

async function ls(args: Args): Promise<void> {
  const all = await listShares(currentServer(args));
  const shares = all.filter(({ state }) => args.all || state === "live");
  if (args.json) return writeJson(shares);
  if (shares.length > 0) return writeOut(`${tableOf(shares)}\n`);
  say("no shares: rexec share SESSION makes one");
}

async function rm(args: Args): Promise<number> {
  const { id } = args;
  if (id === undefined) throw new UsageError("which share?", "rexec share ls shows their ids");
  const server = currentServer(args);
  const shares = await listShares(server);
  const live = shares.filter(({ state }) => state === "live");
  const exact = shares.filter((share) => share.id === id);
  const fitting =
    exact.length > 0 ? exact : live.filter((share) => share.name === id || share.id.startsWith(id));
  const [share] = fitting;
  if (!share) {
    throw new RexecError(`there is no share "${id}"`, {
      code: "unknown_share",
      hint: "rexec share ls shows them",
      exitCode: ExitCode.rejected,
    });
  }
  if (fitting.length > 1) {
    throw new RexecError(`"${id}" could be any of ${fitting.length} shares`, {
      code: "ambiguous_share",
      hint: "give the id: rexec share ls",
      exitCode: ExitCode.usage,
    });
  }
  await revokeShare(server, share.id);
  say(`revoked the share of ${printable(share.session)} on ${printable(share.agent.name)}`);
  return 0;
}

const COLUMNS = [
  { title: "ID" },
  { title: "NAME", shrink: { min: 8 } },
  { title: "AGENT", shrink: { min: 8 } },
  { title: "SESSION", shrink: { min: 8 } },
  { title: "MAY" },
  { title: "BY", shrink: { min: 6 } },
  { title: "USED" },
  { title: "EXPIRES" },
  { title: "STATE" },
];

function tableOf(shares: readonly Share[]): string {
  const used = ({ uses, last_used_at }: Share) => {
    const ms = Date.parse(rfc3339(last_used_at) ?? "");
    return uses === 0 || Number.isNaN(ms) ? "never" : `${uses}, ${ago(Date.now() - ms)}`;
  };
  const rows = shares.map((share) => [
    printable(share.id, LONGEST_CELL),
    printable(share.name, LONGEST_CELL),
    printable(share.agent.name, LONGEST_CELL),
    printable(share.session, LONGEST_CELL),
    share.level,
    printable(share.by ?? "", LONGEST_CELL),
    used(share),
    rfc3339(share.expires_at)?.slice(0, 16).replace("T", " ") ?? "",
    printable(share.state, LONGEST_CELL),
  ]);
  return stdoutTable(COLUMNS, rows);
}
