import { join, resolve } from "node:path";
import { makeBackup, NAMES } from "../../gateway/backup/backup.ts";
import { SETTINGS } from "../../gateway/config/settings.ts";
import { UsageError } from "../../lib/errors.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { serveConfig } from "../_serve-config.ts";
import { dataArgs } from "./_data.ts";

export const backupCommand = withHelp(
  defineCommand({
    meta: { name: "backup", description: "Copy a gateway's data into one file, also while it runs" },
    args: {
      file: { type: "positional", required: true, valueHint: "FILE", description: "A new file, mode 0600" },
      "with-recordings": { type: "boolean", description: "Copy the recordings of sessions too" },
      recordings: {
        type: "string",
        valueHint: "DIR",
        description: "Where the recordings are (default: as the gateway's settings have it)",
      },
      ...dataArgs,
    },
    async run({ args }) {
      if (args.recordings !== undefined && !args["with-recordings"]) {
        throw new UsageError("--recordings belongs to --with-recordings", "give both, or leave it out");
      }
      const { data, config, recordings: named } = args;
      const settings = serveConfig({ data, config, recordings: named });
      const folder = settings.get(SETTINGS.data);
      const file = resolve(args.file);
      const place = settings.get(SETTINGS.recordings);
      // Of a bucket, those that are not there yet.
      const recordings = place === undefined || /^s3:/.test(place) ? join(folder, NAMES.recordings) : place;
      const bytes = await makeBackup(folder, file, {
        recordings: args["with-recordings"] ? recordings : null,
      });
      say(
        `${file} holds the data of ${folder} (${Math.ceil(bytes / 1024)} KiB); rexec admin restore reads it`,
      );
    },
  }),
  {
    examples: [
      ["rexec admin backup /var/backups/rexec-$(date +%F).tar", "Every night, by cron"],
      ["rexec admin backup --with-recordings /mnt/rexec.tar", "All of it"],
    ],
    notes: [
      "The file is a tar archive of the database, of audit entries that wait for it, and of checksums. It holds no token " +
        "in plain text, but all that is known of users and machines: keep it as safe as the data folder. Settings, " +
        "certificates and keys are elsewhere, and recordings in a bucket stay there.",
    ],
  },
);
