/** `rexec admin`: the operator's commands, each loaded when it is asked for. */
import { defineCommand, withHelp } from "../_cli.ts";

export const adminCommand = withHelp(
  defineCommand({
    meta: { name: "admin", description: "Look after a gateway and its data folder" },
    subCommands: {
      users: () => import("./users.ts").then((module) => module.usersCommand),
      "login-link": () => import("./login-link.ts").then((module) => module.loginLinkCommand),
      audit: () => import("./audit.ts").then((module) => module.auditCommand),
      backup: () => import("./backup.ts").then((module) => module.backupCommand),
      doctor: () => import("./doctor.ts").then((module) => module.doctorCommand),
      tokens: () => import("./tokens.ts").then((module) => module.tokensCommand),
      restore: () => import("./restore.ts").then((module) => module.restoreCommand),
    },
  }),
  {
    examples: [
      ["rexec admin users invite --name Ada", "Make a link by which Ada makes an account"],
      ["rexec admin login-link", "Sign in without a password"],
      ["rexec admin backup /var/backups/rexec.tar", "Copy the data of a gateway, also while it runs"],
    ],
    notes: [
      "users works over the API, with an administrator's token (rexec login). The other commands read the data folder itself, " +
        "so run them as the gateway's user, on its machine. --data names the folder.",
    ],
  },
);
