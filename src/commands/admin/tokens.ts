/** `rexec admin tokens`: the tokens of all users, on the data folder of a gateway that may be running or not. */
import { LONGEST_CELL } from "../../client/table.ts";
import { appendEntry } from "../../gateway/audit/append.ts";
import { makeToken } from "../../gateway/auth/token.ts";
import { inFolder, newAdminToken } from "../../gateway/first-start.ts";
import type { Store } from "../../gateway/store/store.ts";
import type { TokenRow } from "../../gateway/store/tokens.ts";
import { ExitCode, RexecError, UsageError } from "../../lib/errors.ts";
import { printable } from "../../lib/printable.ts";
import { COUNTS } from "../../protocol/values.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { lifeOf, pickToken, stateOf, tokenTable } from "../_tokens.ts";
import { dataArgs, dataFolder } from "./_data.ts";

const ls = withHelp(
  defineCommand({
    meta: { name: "ls", description: "List the tokens of all users, without their secrets", alias: "list" },
    args: {
      agents: { type: "boolean", description: "Those of agents, which connect one agent each" },
      all: { type: "boolean", description: "Those that were revoked or have expired, too" },
      json: { type: "boolean", description: "As a JSON array; times are RFC 3339" },
      ...dataArgs,
    },
    async run({ args }) {
      await inFolder(dataFolder(args), async (store) => {
        const rows = await tokensOf(store, args.agents === true);
        const tokens = rows.filter((token) => args.all || stateOf(token) === "valid");
        if (args.json) return writeJson(tokens.map(({ token_hash: _, ...shown }) => shown));
        if (tokens.length > 0) return writeOut(`${tokenTable(tokens, ({ user }) => user)}\n`);
        return say("no tokens");
      });
    },
  }),
  { examples: [["rexec admin tokens ls --all", "Those that count no more, too"]] },
);

const revoke = withHelp(
  defineCommand({
    meta: { name: "revoke", description: "Revoke a token of any user", alias: "rm" },
    args: {
      token: {
        type: "positional",
        required: true,
        valueHint: "NAME|ID",
        description: "Its name, its id, or the beginning of its secret as ls shows it",
      },
      ...dataArgs,
    },
    async run({ args }) {
      await inFolder(dataFolder(args), async (store) => {
        const all = [...(await tokensOf(store, false)), ...(await tokensOf(store, true))];
        const token = pickToken(args.token, all, "rexec admin tokens ls");
        const details = { user: token.user };
        await appendEntry(store.audits, { action: "token.revoked", target: token.name, details });
        await store.tokens.revoke(token.id);
        say(
          `revoked ${printable(token.name || token.token_prefix, LONGEST_CELL)} of ${printable(token.user)}`,
        );
      });
    },
  }),
  { examples: [["rexec admin tokens revoke rexec_1a2b3c", "By what a log or a leak shows of it"]] },
);

const create = withHelp(
  defineCommand({
    meta: { name: "create", description: "Make a token that may do everything; it is printed this once" },
    args: {
      user: {
        type: "string",
        valueHint: "USER",
        description: "User name or id (default: the first administrator)",
      },
      name: { type: "string", valueHint: "NAME", description: "What it is for (default admin)" },
      expires: {
        type: "string",
        valueHint: "TIME",
        description: "Let it expire after 1h, 30d (default never)",
      },
      ...dataArgs,
    },
    async run({ args }) {
      const folder = dataFolder(args);
      const { user: reference, name = "admin" } = args;
      const seconds = lifeOf(args.expires);
      if (name.length > 128 || !/\S/.test(name))
        throw new UsageError("--name is blank or too long", "128 characters");
      if (reference === undefined && seconds === undefined && args.name === undefined) {
        return writeOut(`${await newAdminToken(folder)}\n`);
      }
      return inFolder(folder, async (store) => {
        const user =
          reference === undefined ? await store.users.activeAdmin() : await store.users.find(reference);
        if (!user) {
          const who = reference === undefined ? "an administrator" : `"${reference}"`;
          throw new RexecError(`there is no user ${who} in ${folder}`, {
            code: "user_not_found",
            hint: "rexec admin users ls lists them",
            exitCode: ExitCode.rejected,
          });
        }
        const made = makeToken();
        const expiresAt = seconds === undefined ? null : new Date(Date.now() + seconds * 1_000).toISOString();
        const details = { user: user.username, scopes: "*", expires: expiresAt };
        await appendEntry(store.audits, { action: "token.created", target: name, details });
        await store.tokens.create(made, { userId: user.id, name, scopes: ["*"], expiresAt });
        return writeOut(`${made.token}\n`);
      });
    },
  }),
  {
    examples: [
      ["rexec admin tokens create", "When the first token is lost; as rexec serve --new-admin-token"],
      ["rexec admin tokens create --user ada --expires 1h", "For another user, for a while"],
    ],
  },
);

export const tokensCommand = withHelp(
  defineCommand({
    meta: { name: "tokens", description: "List, revoke and make tokens of any user" },
    subCommands: { ls, revoke, create },
  }),
  {
    examples: [["rexec admin tokens ls", "Who has which"]],
    notes: [
      "Works on the data folder, also while a gateway runs: that one closes the sockets of a revoked token within a second.",
    ],
  },
);

// --- internal ---

/** Each with the name of its user. */
async function tokensOf(store: Store, ofAgents: boolean): Promise<(TokenRow & { user: string })[]> {
  const rows = await store.tokens.listOfAll(ofAgents, COUNTS.listed);
  const names = new Map<string, string>();
  for (const id of new Set(rows.map(({ user_id }) => user_id))) {
    names.set(id, (await store.users.get(id))?.username ?? id);
  }
  return rows.map((row) => ({ ...row, user: names.get(row.user_id) ?? row.user_id }));
}
