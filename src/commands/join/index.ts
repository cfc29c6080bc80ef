/** `rexec join`: tokens that register machines. */
import { defineCommand, withHelp } from "../_cli.ts";

export const joinCommand = withHelp(
  defineCommand({
    meta: { name: "join", description: "Make, list and revoke tokens that add machines" },
    subCommands: {
      create: () => import("./create.ts").then((module) => module.joinCreateCommand),
      ls: () => import("./ls.ts").then((module) => module.joinLsCommand),
      rm: () => import("./rm.ts").then((module) => module.joinRmCommand),
    },
  }),
  { examples: [["rexec join create", "A token for one machine, and the line to paste there"]] },
);
