import { identify } from "../client/api.ts";
import { printable } from "../lib/printable.ts";
import { tokenPrefix } from "../protocol/token.ts";
import { defineCommand, withHelp, writeJson, writeOut } from "./_cli.ts";
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
        return writeJson({ host, user, scopes, token_prefix, token_source: source });
      }
      const name = user.username ?? user.name ?? user.id;
      const mail = user.email && user.email !== name ? ` <${user.email}>` : "";
      const may = scopes ? `, scopes ${scopes.join(" ") || "none"}` : "";
      const lines = [`${name}${mail} at ${host}`, `token ${token_prefix}… (${source}${may})`];
      await writeOut(lines.map((line) => `${printable(line)}\n`).join(""));
    },
  }),
  { examples: [["rexec whoami --json", "For a script"]] },
);
