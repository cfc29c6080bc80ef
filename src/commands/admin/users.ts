/** `rexec admin users`: the accounts of a gateway, over its API. */
import { resetFactors } from "../../client/factors.ts";
import { LONGEST_CELL } from "../../client/table.ts";
import { changeUser, createUser, listUsers, removeUser, setPassword } from "../../client/users.ts";
import { counted } from "../../lib/count.ts";
import { printable } from "../../lib/printable.ts";
import type { UserInfo } from "../../protocol/http-users.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { newPassword } from "../_password.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { confirm } from "../_stdin.ts";
import { stdoutTable } from "../_table.ts";
import { invite, invites, uninvite } from "./invites.ts";

const userArg = {
  type: "positional",
  required: true,
  valueHint: "USER",
  description: "User name or id",
} as const;

const ls = withHelp(
  defineCommand({
    meta: { name: "ls", description: "List the users", alias: "list" },
    args: { json: { type: "boolean", description: "As a JSON array; times are RFC 3339" }, ...serverArgs },
    async run({ args }) {
      const users = await listUsers(currentServer(args));
      if (args.json) return writeJson(users);
      const rows = users.map((user) => [
        printable(user.username, LONGEST_CELL),
        printable(user.name ?? "", LONGEST_CELL),
        printable(user.email ?? "", LONGEST_CELL),
        user.is_admin ? "administrator" : "member",
        user.disabled_at ? "disabled" : "active",
        printable(user.created_at?.slice(0, 10) ?? ""),
      ]);
      return writeOut(`${stdoutTable(COLUMNS, rows)}\n`);
    },
  }),
  { examples: [["rexec admin users ls --json", "For a script"]] },
);

const add = withHelp(
  defineCommand({
    meta: { name: "add", description: "Make a user, with a password or without one" },
    args: {
      user: {
        type: "positional",
        required: true,
        valueHint: "USER",
        description: "The new user's user name",
      },
      name: { type: "string", valueHint: "NAME", description: "Their name (default the user name)" },
      email: { type: "string", valueHint: "ADDRESS", description: "Their e-mail address" },
      admin: { type: "boolean", description: "Make them an administrator" },
      passwordless: {
        type: "boolean",
        description: "Without a password: they sign in by a login link or a provider",
      },
      json: { type: "boolean", description: "As a JSON object" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const password = args.passwordless ? undefined : await newPassword(`for ${args.user}`);
      const { name, email, admin = false } = args;
      const user = await createUser(server, { username: args.user, name, email, admin, password });
      if (args.json) return writeJson(user);
      say(`made ${printable(user.username, LONGEST_CELL)}, ${roleOf(user)}`);
      return 0;
    },
  }),
  {
    examples: [
      ["rexec admin users add ada", "Asks for the password"],
      ["rexec admin users add ada --passwordless", "Then: rexec admin login-link ada"],
    ],
  },
);

const rm = withHelp(
  defineCommand({
    meta: { name: "rm", description: "Remove a user, and what they have open", alias: "remove" },
    args: {
      user: userArg,
      "transfer-to": {
        type: "string",
        valueHint: "USER",
        description: "Who owns their machines from now on",
      },
      "with-agents": { type: "boolean", description: "Remove their machines too" },
      yes: { type: "boolean", alias: "y", description: "Do not ask" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      if (!args.yes && process.stdin.isTTY && !(await confirm(`Remove the user ${args.user}?`))) return 1;
      const fate = { transferTo: args["transfer-to"], withAgents: args["with-agents"] };
      const removed = await removeUser(server, args.user, fate);
      const heir = removed.transferred_to;
      const agents = counted(removed.agents, "machine");
      const rest =
        removed.agents === 0 ? "" : heir ? `; ${agents} of theirs now belong to ${heir}` : `, with ${agents}`;
      say(`removed ${args.user}${rest}`);
      return 0;
    },
  }),
  {
    examples: [["rexec admin users rm ada --transfer-to bob", "bob owns ada's machines from now on"]],
    notes: [
      "A user who has machines is refused unless you say what becomes of these. The last administrator stays.",
    ],
  },
);

const passwd = withHelp(
  defineCommand({
    meta: { name: "passwd", description: "Set the password of a user; their sessions end" },
    args: { user: userArg, ...serverArgs },
    async run({ args }) {
      const server = currentServer(args);
      await setPassword(server, args.user, await newPassword(`for ${args.user}`));
      say(`the password of ${args.user} is set, and their sessions in browsers are ended`);
      return 0;
    },
  }),
  {
    examples: [
      ["rexec admin users passwd ada", "Asks for the new password"],
      ["pwgen -s 20 1 | tee ada | rexec admin users passwd ada", "From another program"],
    ],
  },
);

const resetting = withHelp(
  defineCommand({
    meta: { name: "reset-factors", description: "Remove the authenticator app and passkeys of a user" },
    args: { user: userArg, ...serverArgs },
    async run({ args }) {
      await resetFactors(currentServer(args), args.user);
      say(`${args.user} has no second factor and no passkeys any more`);
      return 0;
    },
  }),
  {
    examples: [["rexec admin users reset-factors ada", "ada has lost the phone"]],
    notes: ["The password stays and is enough from then on: make sure that the user is the one who asks."],
  },
);

/** A command that changes one thing. */
function changing(
  name: string,
  description: string,
  change: { admin?: boolean; disabled?: boolean },
  done: string,
  note: string,
) {
  return withHelp(
    defineCommand({
      meta: { name, description },
      args: { user: userArg, ...serverArgs },
      async run({ args }) {
        const user = await changeUser(currentServer(args), args.user, change);
        say(`${user.username} ${done}`);
        return 0;
      },
    }),
    { examples: [[`rexec admin users ${name} ada`, note]] },
  );
}

export const usersCommand = withHelp(
  defineCommand({
    meta: { name: "users", description: "List, make, invite and change users" },
    subCommands: {
      ls,
      add,
      invite,
      invites,
      uninvite,
      "reset-factors": resetting,
      disable: changing(
        "disable",
        "Lock a user out; their sessions and terminals end",
        { disabled: true },
        "is disabled",
        "Their machines stay connected, for the others who may use them",
      ),
      enable: changing(
        "enable",
        "Let a disabled user in again",
        { disabled: false },
        "is enabled",
        "With the tokens of before",
      ),
      promote: changing(
        "promote",
        "Make a user an administrator",
        { admin: true },
        "is an administrator",
        "At once",
      ),
      demote: changing(
        "demote",
        "Make an administrator a member",
        { admin: false },
        "is a member",
        "The last administrator stays one",
      ),
      passwd,
      rm,
    },
  }),
  {
    examples: [
      ["rexec admin users invite --name Ada", "Make a link by which Ada makes an account"],
      ["rexec admin users ls", "See who has one"],
    ],
    notes: ["Needs a token of an administrator, with the scope admin or *."],
  },
);

// --- internal ---

const COLUMNS = [
  { title: "USER", shrink: { min: 12 } },
  { title: "NAME", shrink: { min: 8 } },
  { title: "E-MAIL", shrink: { min: 8 } },
  { title: "ROLE" },
  { title: "STATE" },
  { title: "SINCE" },
];

function roleOf({ is_admin }: UserInfo): string {
  return is_admin ? "an administrator" : "a member";
}
