/** `rexec token`: API tokens, for scripts and other programs. */
import { listAgents } from "../client/api.ts";
import { pickAgent } from "../client/resolve.ts";
import { createToken, listTokens, revokeToken } from "../client/rights.ts";
import { LONGEST_CELL } from "../client/table.ts";
import { printable } from "../lib/printable.ts";
import { LENGTHS } from "../protocol/values.ts";
import { defineCommand, repeatable, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { lifeOf, pickToken, stateOf, tokenTable, words } from "./_tokens.ts";

const create = withHelp(
  defineCommand({
    meta: { name: "create", description: "Make a token; it is printed this once" },
    args: {
      name: { type: "positional", required: true, valueHint: "NAME", description: "What it is for" },
      scope: repeatable({
        type: "string",
        valueHint: "SCOPE",
        description: "read, use, exec, manage, user, admin or *; may be repeated (default user)",
      }),
      only: repeatable({
        type: "string",
        valueHint: "NAME|ID|tag:TAG",
        description: "Restrict it to this machine, or to machines with a tag; may be repeated",
      }),
      expires: {
        type: "string",
        valueHint: "TIME",
        description: "Let it expire after 1h, 30d (default never)",
      },
      json: { type: "boolean", description: "As a JSON object" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const scopes = words(args.scope);
      const only = words(args.only);
      const needsAgents = only.some((selector) => !selector.startsWith("tag:"));
      const agents = needsAgents ? await listAgents(server) : [];
      const made = await createToken(server, {
        name: args.name,
        scopes: scopes.length > 0 ? scopes : ["user"],
        expires_in_seconds: lifeOf(args.expires),
        only_agents: only.map((selector) =>
          selector.startsWith("tag:") ? selector : pickAgent(selector, agents).id,
        ),
      });
      if (args.json) return writeJson(made);
      say("keep it now: it is shown this once");
      return writeOut(`${printable(made.token, LENGTHS.token)}\n`);
    },
  }),
  {
    examples: [
      [
        "rexec token create ci --scope exec --only tag:build --expires 30d",
        "For a CI job that runs commands",
      ],
      ["rexec token create backup --scope use > token", "Into a file"],
    ],
    notes: [
      "read: see machines and their sessions. use: read, terminals and commands. exec: commands alone. manage: register, " +
        "rename, tag, share and remove machines. user: all of these. admin: of an administrator, users and groups. *: all " +
        "that you may, tokens included.",
    ],
  },
);

const ls = withHelp(
  defineCommand({
    meta: { name: "ls", description: "List your tokens, without their secrets", alias: "list" },
    args: {
      all: { type: "boolean", description: "Those that were revoked or have expired, too" },
      json: { type: "boolean", description: "As a JSON array; times are RFC 3339" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const all = await listTokens(server);
      const tokens = all.filter((token) => args.all || stateOf(token) === "valid");
      if (args.json) return writeJson(tokens);
      if (tokens.length > 0) {
        const isNamed = tokens.some(({ only_agents }) =>
          only_agents?.some((only) => !only.startsWith("tag:")),
        );
        const agents = isNamed ? await listAgents(server) : [];
        const names = new Map(agents.map(({ id, name }) => [id, name]));
        return writeOut(`${tokenTable(tokens, undefined, names)}\n`);
      }
      say("no tokens: rexec token create NAME makes one");
    },
  }),
  { examples: [["rexec token ls", "Those that are valid"]] },
);

const revoke = withHelp(
  defineCommand({
    meta: { name: "revoke", description: "Revoke a token; what was opened with it is closed", alias: "rm" },
    args: {
      token: {
        type: "positional",
        required: true,
        valueHint: "NAME|ID",
        description: "The token's name, its id, or the beginning of its secret as token ls shows it",
      },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const token = pickToken(args.token, await listTokens(server), "rexec token ls");
      await revokeToken(server, token.id);
      say(`revoked ${printable(token.name ?? token.token_prefix, LONGEST_CELL)}`);
      return 0;
    },
  }),
  { examples: [["rexec token revoke ci", "By its name"]] },
);

export const tokenCommand = withHelp(
  defineCommand({
    meta: { name: "token", description: "Make, list and revoke API tokens" },
    subCommands: { create, ls, revoke },
  }),
  { examples: [["rexec token create ci --scope exec", "A token that runs commands, and nothing else"]] },
);
