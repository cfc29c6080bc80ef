import { identify } from "../client/api.ts";
import { tokenPrefix } from "../protocol/token.ts";
import { defineCommand, withHelp, writeOut } from "./_cli.ts";
import { currentServer, serverArgs } from "./_server.ts";

export const whoamiCommand = withHelp(
  defineCommand({
    meta: { name: "whoami", description: "Show who you are logged in as, and where" },
    args: { json: { type: "boolean", description: "As JSON" }, ...serverArgs },
    async run({ args }) {
      const server = currentServer(args);
      const { user, scopes } = await identify(server);
      const host = server.endpoint.base.href.replace(/\/$/, "");
      const source = process.env.REXEC_TOKEN ? "REXEC_TOKEN" : "credentials file";
      const token_prefix = tokenPrefix(server.token);
      if (args.json) {
        return writeOut(
          `${JSON.stringify({ host, user, scopes, token_prefix, token_source: source }, null, 2)}\n`,
        );
      }
      const name = user.username ?? user.name ?? user.id;
      const mail = user.email && user.email !== name ? ` <${user.email}>` : "";
      const may = scopes ? `, scopes ${scopes.join(" ") || "none"}` : "";
      await writeOut(`${name}${mail} at ${host}\ntoken ${token_prefix}… (${source}${may})\n`);
    },
  }),
  { examples: [["rexec whoami --json", "For a script"]] },
);
