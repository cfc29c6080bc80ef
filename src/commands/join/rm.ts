import { listJoins, pickJoin, revokeJoin } from "../../client/joins.ts";
import { printable } from "../../lib/printable.ts";
import { defineCommand, manyWords, say, withHelp } from "../_cli.ts";
import { currentServer, serverArgs } from "../_server.ts";

export const joinRmCommand = withHelp(
  defineCommand({
    meta: { name: "rm", description: "Revoke join tokens; their machines stay", alias: "revoke" },
    args: {
      join: manyWords({
        type: "positional",
        required: true,
        valueHint: "TOKEN|ID",
        description: "The beginning of its secret as join ls shows it, what it is for, or its id",
      }),
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const all = await listJoins(server);
      const joins = args._.map((reference) => pickJoin(reference, all));
      for (const { id, token_prefix } of joins) {
        await revokeJoin(server, id);
        say(`revoked ${printable(token_prefix ?? id, 64)}…`);
      }
    },
  }),
  { examples: [["rexec join rm rexec_join_3f9a01", "As join ls shows it"]] },
);
