import { resolve } from "node:path";
import { restoreBackup } from "../../gateway/backup/restore.ts";
import { counted } from "../../lib/count.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { dataArgs, dataFolder } from "./_data.ts";

export const restoreCommand = withHelp(
  defineCommand({
    meta: { name: "restore", description: "Make a gateway's data folder from a backup" },
    args: {
      file: {
        type: "positional",
        required: true,
        valueHint: "FILE",
        description: "A file of rexec admin backup",
      },
      ...dataArgs,
    },
    async run({ args }) {
      const folder = dataFolder(args);
      const { users, agents, tokens, recordings, schema, newestSchema } = await restoreBackup(
        resolve(args.file),
        folder,
      );
      const files = recordings > 0 ? `, ${counted(recordings, "file")} of recordings` : "";
      say(
        `${folder} holds ${counted(users, "user")}, ${counted(agents, "agent")}, ${counted(tokens, "token")}${files}`,
      );
      if (schema < newestSchema)
        say(`the next start of the gateway brings it from schema ${schema} to ${newestSchema}`);
      say("tokens and users that were taken away after the backup are back: take them away again");
    },
  }),
  {
    examples: [
      ["rexec admin restore /var/backups/rexec.tar --data /var/lib/rexec", "Into a new or an empty folder"],
    ],
    notes: [
      "Nothing is written before the backup was checked: its sums, the database's integrity, and that this program knows " +
        "its schema. A file of serve --backup, or a copy of gateway.db that no gateway had open, works too. As root, " +
        "the files get the owner of the folder.",
    ],
  },
);
