/** `rexec group`: groups of users, which rights can be given to. */
import { addMember, createGroup, listGroups, removeGroup, removeMember } from "../client/rights.ts";
import { LONGEST_CELL } from "../client/table.ts";
import { printable } from "../lib/printable.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { stdoutTable } from "./_table.ts";

const groupArg = {
  type: "positional",
  required: true,
  valueHint: "GROUP",
  description: "The group's name",
} as const;
const userArg = {
  type: "positional",
  required: true,
  valueHint: "USER",
  description: "The user's name",
} as const;

const create = withHelp(
  defineCommand({
    meta: { name: "create", description: "Make a group" },
    args: { group: groupArg, ...serverArgs },
    async run({ args }) {
      await createGroup(currentServer(args), args.group);
      say(`made ${args.group}: rexec group add ${args.group} USER`);
      return 0;
    },
  }),
  { examples: [["rexec group create ops", "Then put users into it"]] },
);

const ls = withHelp(
  defineCommand({
    meta: {
      name: "ls",
      description: "List the groups, and for an administrator their members",
      alias: "list",
    },
    args: { json: { type: "boolean", description: "As a JSON array" }, ...serverArgs },
    async run({ args }) {
      const groups = await listGroups(currentServer(args));
      if (args.json) return writeJson(groups);
      if (groups.length === 0) return say("no groups: rexec group create NAME makes one");
      const rows = groups.map(({ name, members }) => [
        printable(name, LONGEST_CELL),
        printable(members?.join(", ") ?? "", LONGEST_CELL),
      ]);
      const columns = [
        { title: "GROUP", shrink: { min: 8 } },
        { title: "MEMBERS", shrink: { min: 12 } },
      ];
      return writeOut(`${stdoutTable(columns, rows)}\n`);
    },
  }),
  { examples: [["rexec group ls", "All groups"]] },
);

const rm = withHelp(
  defineCommand({
    meta: { name: "rm", description: "Remove a group, and the rights that it had" },
    args: { group: groupArg, ...serverArgs },
    async run({ args }) {
      await removeGroup(currentServer(args), args.group);
      say(`removed ${args.group}`);
      return 0;
    },
  }),
  { examples: [["rexec group rm ops", "Its members keep their own rights"]] },
);

const add = withHelp(
  defineCommand({
    meta: { name: "add", description: "Put a user into a group" },
    args: { group: groupArg, user: userArg, ...serverArgs },
    async run({ args }) {
      await addMember(currentServer(args), args.group, args.user);
      say(`${args.user} is in ${args.group}`);
      return 0;
    },
  }),
  { examples: [["rexec group add ops ada", "Ada has the group's rights from now on"]] },
);

const remove = withHelp(
  defineCommand({
    meta: { name: "remove", description: "Take a user out of a group" },
    args: { group: groupArg, user: userArg, ...serverArgs },
    async run({ args }) {
      await removeMember(currentServer(args), args.group, args.user);
      say(`${args.user} is not in ${args.group} any more`);
      return 0;
    },
  }),
  { examples: [["rexec group remove ops ada", "Terminals that are open by the group's rights end"]] },
);

export const groupCommand = withHelp(
  defineCommand({
    meta: { name: "group", description: "Groups of users, for rights (administrators)" },
    subCommands: { create, ls, add, remove, rm },
  }),
  { examples: [["rexec group create ops && rexec group add ops ada", "Make one, and put Ada into it"]] },
);
