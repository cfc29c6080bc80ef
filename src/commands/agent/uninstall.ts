import { currentAccount } from "../../agent/machine/child-env.ts";
import { uninstallService } from "../../agent/service/install.ts";
import { lingers } from "../../agent/service/linger.ts";
import { envFileOf } from "../../agent/service/resolve.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { assertAllowed, serviceArgs, serviceContext } from "./_service.ts";

export const uninstallCommand = withHelp(
  defineCommand({
    meta: { name: "uninstall", description: "Stop the service and remove it" },
    args: serviceArgs,
    async run({ args }) {
      const context = await serviceContext(args);
      assertAllowed(context, "uninstall", args);
      const { request, recipe, run } = context;
      const removed = await uninstallService(
        { recipe, run, tell: say },
        envFileOf(request.scope, request.env),
      );
      if (removed.length === 0) say("nothing to do: no service is installed");
      else for (const path of removed) say(`removed ${path}`);
      // Another program may need it.
      const { name } = currentAccount();
      if (removed.length > 0 && recipe.init === "systemd" && args.user && (await lingers(run, name)))
        say(`lingering stays on for ${name}; to turn it off: loginctl disable-linger ${name}`);
    },
  }),
  {
    examples: [["sudo rexec-agent uninstall", "The registration and the configuration stay"]],
    notes: ["rexec-agent unregister removes the registration and the configuration."],
  },
);
