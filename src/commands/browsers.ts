/** `rexec browsers`: where the user is signed in with a browser, over the API. */
import { LONGEST_CELL } from "../client/table.ts";
import {
  type BrowserSession,
  endBrowserSession,
  endBrowserSessions,
  listBrowserSessions,
} from "../client/users.ts";
import { counted } from "../lib/count.ts";
import { ago, rfc3339 } from "../lib/duration.ts";
import { ExitCode, RexecError, UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { stdoutTable } from "./_table.ts";

const ls = withHelp(
  defineCommand({
    meta: { name: "ls", description: "List the browsers that you are signed in with", alias: "list" },
    args: { json: { type: "boolean", description: "As a JSON array; times are RFC 3339" }, ...serverArgs },
    async run({ args }) {
      const sessions = await listBrowserSessions(currentServer(args));
      if (args.json) return writeJson(sessions);
      if (sessions.length === 0) return say("you are signed in with no browser");
      const rows = sessions.map((session) => [
        printable(session.id),
        printable(session.user_agent || "unknown", LONGEST_CELL),
        printable(session.address ?? ""),
        since(session.created_at),
        since(session.last_seen_at),
      ]);
      return writeOut(`${stdoutTable(COLUMNS, rows)}\n`);
    },
  }),
  { examples: [["rexec browsers ls --json", "For a script"]] },
);

const end = withHelp(
  defineCommand({
    meta: { name: "end", description: "Sign a browser out; its terminals close" },
    args: {
      session: {
        type: "positional",
        required: false,
        valueHint: "ID",
        description: "As rexec browsers ls shows it, or its beginning",
      },
      all: { type: "boolean", description: "All of them" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      if ((args.session === undefined) === !args.all) {
        throw new UsageError("say which browser", "rexec browsers end ID, or --all");
      }
      if (args.session === undefined) {
        say(`signed out ${counted(await endBrowserSessions(server), "browser")}`);
        return 0;
      }
      const found = pick(args.session, await listBrowserSessions(server));
      await endBrowserSession(server, found.id);
      say(`signed out ${printable(found.user_agent || found.id, LONGEST_CELL)}`);
      return 0;
    },
  }),
  { examples: [["rexec browsers end --all", "After a laptop was stolen"]] },
);

export const browsersCommand = withHelp(
  defineCommand({
    meta: { name: "browsers", description: "See where you are signed in with a browser, and sign out" },
    subCommands: { ls, end },
  }),
  {
    examples: [["rexec browsers ls", "Since when, from where, and when it was last seen"]],
    notes: ["Needs a token with all scopes."],
  },
);

// --- internal ---

const COLUMNS = [
  { title: "ID", shrink: { min: 14 } },
  { title: "BROWSER", shrink: { min: 10 } },
  { title: "ADDRESS" },
  { title: "SIGNED IN" },
  { title: "LAST SEEN" },
];

function since(time: string | undefined): string {
  const ms = Date.parse(rfc3339(time) ?? "");
  return Number.isNaN(ms) ? "" : ago(Date.now() - ms);
}

/** @throws RexecError `unknown_browser` */
function pick(reference: string, sessions: readonly BrowserSession[]): BrowserSession {
  const fitting = sessions.filter(
    ({ id }) => id === reference || (reference.length >= 8 && id.startsWith(reference)),
  );
  const [found, ...more] = fitting;
  if (found && more.length === 0) return found;
  throw new RexecError(
    found ? `several ids begin with "${reference}"` : `no browser has the id "${reference}"`,
    {
      code: "unknown_browser",
      hint: "rexec browsers ls lists them",
      exitCode: ExitCode.rejected,
    },
  );
}
