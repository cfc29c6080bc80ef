/** `rexec grant`: who else may look at your machines, use or manage them. */
import { listAgents } from "../client/api.ts";
import { pickAgent } from "../client/resolve.ts";
import { createGrant, listGrants, removeGrant } from "../client/rights.ts";
import { LONGEST_CELL } from "../client/table.ts";
import { ExitCode, RexecError, UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { Grant } from "../protocol/http-access.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { stdoutTable } from "./_table.ts";

const LEVELS = ["view", "use", "manage"];

const add = withHelp(
  defineCommand({
    meta: { name: "add", description: "Give a user or a group a right" },
    args: {
      target: {
        type: "positional",
        required: true,
        valueHint: "NAME|ID|tag:TAG",
        description: "The machine, or all machines with a tag: tag:prod",
      },
      level: { type: "positional", required: true, valueHint: "view|use|manage", description: "The right" },
      user: { type: "string", valueHint: "USER", description: "To this user" },
      group: { type: "string", valueHint: "GROUP", description: "To the members of this group" },
      ...serverArgs,
    },
    async run({ args }) {
      if (!LEVELS.includes(args.level)) {
        throw new UsageError(`there is no right "${args.level}"`, "there are view, use and manage");
      }
      if ((args.user === undefined) === (args.group === undefined)) {
        throw new UsageError("to whom?", "give --user or --group");
      }
      const server = currentServer(args);
      const byTag = args.target.startsWith("tag:");
      const target = byTag ? args.target : pickAgent(args.target, await listAgents(server)).id;
      await createGrant(server, { user: args.user, group: args.group, target, level: args.level });
      say(`${args.user ?? `group ${args.group}`} may ${args.level} ${args.target}`);
      return 0;
    },
  }),
  {
    examples: [
      ["rexec grant add web-1 view --user ada", "Ada sees web-1 and its terminals, and types nothing"],
      ["rexec grant add tag:prod use --group ops", "The group uses every machine with the tag prod"],
    ],
    notes: [
      "view: see the machine and its terminals. use: view, type and run commands. manage: use, rename, tag, share and remove.",
      "A right by tag counts for your own machines; an administrator's counts for the machines of all users.",
    ],
  },
);

const ls = withHelp(
  defineCommand({
    meta: { name: "ls", description: "List the rights that you have, or have given", alias: "list" },
    args: { json: { type: "boolean", description: "As a JSON array" }, ...serverArgs },
    async run({ args }) {
      const grants = await listGrants(currentServer(args));
      if (args.json) return writeJson(grants);
      if (grants.length > 0) return writeOut(`${tableOf(grants)}\n`);
      say("no rights: rexec grant add gives one");
    },
  }),
  { examples: [["rexec grant ls", "An administrator sees those of all"]] },
);

const rm = withHelp(
  defineCommand({
    meta: { name: "rm", description: "Take a right back; terminals that are open by it end at once" },
    args: {
      id: { type: "positional", required: true, valueHint: "ID", description: "As grant ls shows it" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const [found, ...more] = (await listGrants(server)).filter(({ id }) => id.endsWith(args.id));
      if (!found || more.length > 0) {
        throw new RexecError(
          found ? `"${args.id}" is the end of several ids` : `there is no right "${args.id}"`,
          {
            code: found ? "ambiguous" : "unknown_grant",
            hint: "rexec grant ls --json shows whole ids",
            exitCode: ExitCode.rejected,
          },
        );
      }
      await removeGrant(server, found.id);
      say(`${nameOf(found)} may not ${found.level} ${targetOf(found)} any more`);
      return 0;
    },
  }),
  { examples: [["rexec grant rm 3f9c01ab", "The last letters of its id are enough"]] },
);

export const grantCommand = withHelp(
  defineCommand({
    meta: { name: "grant", description: "Let other users see, use or manage machines" },
    subCommands: { add, ls, rm },
  }),
  { examples: [["rexec grant add web-1 use --user ada", "Ada may open terminals on web-1"]] },
);

// --- internal ---

const COLUMNS = [
  { title: "ID" },
  { title: "TO", shrink: { min: 8 } },
  { title: "MAY" },
  { title: "MACHINE", shrink: { min: 12 } },
];

/** The end of an id: their beginnings are times, and alike. */
const SHOWN_ID = 8;

function tableOf(grants: readonly Grant[]): string {
  const rows = grants.map((grant) => [
    printable(grant.id.slice(-SHOWN_ID)),
    nameOf(grant),
    printable(grant.level),
    targetOf(grant),
  ]);
  return stdoutTable(COLUMNS, rows);
}

function nameOf({ user, group }: Grant): string {
  return printable(user ?? `group ${group ?? "?"}`, LONGEST_CELL);
}

function targetOf({ target, agent_name, own_agents_only }: Grant): string {
  return printable(`${agent_name ?? target}${own_agents_only ? " (of the giver)" : ""}`, LONGEST_CELL);
}
