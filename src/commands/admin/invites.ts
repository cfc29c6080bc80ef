/** Invites: `rexec admin users invite`, `invites` and `uninvite`. */
import { LONGEST_CELL } from "../../client/table.ts";
import { createInvite, type Invite, listInvites, withdrawInvite } from "../../client/users.ts";
import { parseDuration } from "../../lib/duration.ts";
import { ExitCode, RexecError, UsageError } from "../../lib/errors.ts";
import { printable } from "../../lib/printable.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { stdoutTable } from "../_table.ts";

export const invite = withHelp(
  defineCommand({
    meta: { name: "invite", description: "Make a link by which a new user makes an account" },
    args: {
      name: {
        type: "string",
        valueHint: "NAME",
        description: "Name of the person it is for, as the list shows it",
      },
      email: { type: "string", valueHint: "ADDRESS", description: "The e-mail address of the account" },
      admin: { type: "boolean", description: "The new user is an administrator" },
      expires: {
        type: "string",
        valueHint: "TIME",
        description: "How long the link works, 1m to 90d (default 3d)",
      },
      json: { type: "boolean", description: "As a JSON object" },
      ...serverArgs,
    },
    async run({ args }) {
      const { name, email, admin = false } = args;
      const expires_in_seconds = lifeOf(args.expires);
      const made = await createInvite(currentServer(args), { name, email, admin, expires_in_seconds });
      if (args.json) return writeJson(made);
      say(
        `makes ${admin ? "an administrator" : "a member"}, once, until ${made.expires_at}; it is shown this once`,
      );
      return writeOut(`${printable(made.url)}\n`);
    },
  }),
  {
    examples: [["rexec admin users invite --name Ada --expires 1d", "A link for Ada, that works for a day"]],
    notes: [
      "The new user chooses a user name and a password on the page of the link. The gateway sends no mail: you do.",
    ],
  },
);

export const invites = withHelp(
  defineCommand({
    meta: { name: "invites", description: "List the invites that wait" },
    args: {
      all: { type: "boolean", description: "Those that were accepted or have expired, too" },
      json: { type: "boolean", description: "As a JSON array; times are RFC 3339" },
      ...serverArgs,
    },
    async run({ args }) {
      const all = await listInvites(currentServer(args));
      const shown = all.filter((each) => args.all || stateOf(each) === "waits");
      if (args.json) return writeJson(shown);
      if (shown.length === 0) return say("no invites: rexec admin users invite makes one");
      const rows = shown.map((each) => [
        printable(each.id),
        printable(each.name ?? "", LONGEST_CELL),
        printable(each.email ?? "", LONGEST_CELL),
        each.admin ? "administrator" : "member",
        printable(each.expires_at?.slice(0, 16).replace("T", " ") ?? ""),
        stateOf(each),
      ]);
      return writeOut(`${stdoutTable(COLUMNS, rows)}\n`);
    },
  }),
  { examples: [["rexec admin users invites --all", "Those of before, too"]] },
);

export const uninvite = withHelp(
  defineCommand({
    meta: { name: "uninvite", description: "Take back an invite that was not accepted" },
    args: {
      invite: {
        type: "positional",
        required: true,
        valueHint: "ID|NAME",
        description: "Its id, the beginning of it, or its name",
      },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const found = pick(args.invite, await listInvites(server));
      await withdrawInvite(server, found.id);
      say(`took back the invite ${found.name || found.id}`);
      return 0;
    },
  }),
  { examples: [["rexec admin users uninvite Ada", "By the name that it was made with"]] },
);

// --- internal ---

const COLUMNS = [
  { title: "ID" },
  { title: "FOR", shrink: { min: 8 } },
  { title: "E-MAIL", shrink: { min: 8 } },
  { title: "ROLE" },
  { title: "EXPIRES" },
  { title: "STATE" },
];

function stateOf({ used_at, expires_at }: Invite): "waits" | "accepted" | "expired" {
  if (used_at) return "accepted";
  return expires_at && Date.parse(expires_at) <= Date.now() ? "expired" : "waits";
}

/** @throws UsageError */
function lifeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Math.round((parseDuration(text) ?? 0) / 1_000);
  if (seconds >= 60 && seconds <= 90 * 86_400) return seconds;
  throw new UsageError(`--expires cannot be "${text}"`, "it is a time from 1m to 90d: 1d, 12h");
}

/** @throws RexecError `unknown_invite`, `ambiguous` */
function pick(reference: string, all: readonly Invite[]): Invite {
  const waiting = all.filter((each) => stateOf(each) === "waits");
  const exact = waiting.filter(({ id, name }) => id === reference || name === reference);
  const fitting =
    exact.length > 0 ? exact : waiting.filter(({ id }) => reference.length >= 8 && id.startsWith(reference));
  const [found, ...more] = fitting;
  if (found && more.length === 0) return found;
  throw new RexecError(
    found ? `${fitting.length} invites are called "${reference}"` : `no invite "${reference}" waits`,
    {
      code: found ? "ambiguous" : "unknown_invite",
      hint: "rexec admin users invites lists them",
      exitCode: found ? ExitCode.usage : ExitCode.rejected,
    },
  );
}
