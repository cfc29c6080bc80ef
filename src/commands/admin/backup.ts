import { join, resolve } from "node:path";
import { backUp } from "../../gateway/store/backup.ts";
import { UsageError } from "../../lib/errors.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { dataArgs, dataFolder } from "./_data.ts";

export const backupCommand = withHelp(
  defineCommand({
    meta: { name: "backup", description: "Copy a gateway's data into one file, also while it runs" },
    args: {
      file: { type: "positional", required: true, valueHint: "FILE", description: "A new file, mode 0600" },
      ...dataArgs,
    },
    async run({ args }) {
      if (!args.file)
        throw new UsageError("backup wants a file", "rexec admin backup /var/backups/rexec.backup");
      const folder = dataFolder(args);
      const file = resolve(args.file);
      const bytes = await backUp(folder, file);
      say(`${file} holds all that ${join(folder, "gateway.db")} did (${Math.ceil(bytes / 1024)} KiB)`);
    },
  }),
  {
    examples: [["rexec admin backup /var/backups/rexec-$(date +%F).backup", "Every night, by cron"]],
  },
);
