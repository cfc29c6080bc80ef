/** `rexec admin`: the operator's commands, each loaded when it is asked for. */
import { defineCommand, withHelp } from "../_cli.ts";

export const adminCommand = withHelp(
  defineCommand({
    meta: { name: "admin", description: "Look after a gateway and its data folder" },
    subCommands: {
      backup: () => import("./backup.ts").then((module) => module.backupCommand),
    },
  }),
  {
    examples: [
      ["rexec admin backup /var/backups/rexec.backup", "Copy the data of a gateway, also while it runs"],
    ],
    notes: [
      "These commands read the data folder itself, so run them as the gateway's user, on its machine. --data names the folder.",
    ],
  },
);
