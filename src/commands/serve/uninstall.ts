/** `rexec serve uninstall`: removes the service, and none of the data. */
import { existsSync } from "node:fs";
import { uninstallGateway } from "../../gateway/service/install.ts";
import { ACCOUNT, STATE_FOLDER } from "../../gateway/service/spec.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { assertScope, scopeArgs, serviceTools } from "./_service.ts";

export const serveUninstallCommand = withHelp(
  defineCommand({
    meta: { name: "uninstall", description: "Stop and remove the gateway's service; the data stays" },
    args: scopeArgs,
    async run({ args }) {
      const isUser = args.user === true;
      const tools = serviceTools(isUser);
      assertScope(isUser, "uninstall");
      const gone = await uninstallGateway(tools);
      for (const path of gone) say(`removed ${path}`);
      if (gone.length === 0) say("there was no service");
      const kept = [tools.place.config, ...(isUser ? [] : [STATE_FOLDER])].filter((path) => existsSync(path));
      if (kept.length > 0)
        say(`these stay: ${kept.join(", ")}${isUser ? "" : `, and the account ${ACCOUNT}`}`);
    },
  }),
  { examples: [["sudo rexec serve uninstall", "The system's service"]] },
);
