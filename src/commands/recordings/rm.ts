import { findRecording, removeRecording } from "../../client/recordings/api.ts";
import { UsageError } from "../../lib/errors.ts";
import { defineCommand, manyWords, say, withHelp } from "../_cli.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { confirm } from "../_stdin.ts";
import { recordingArg, titleOf } from "./_recording.ts";

export const recordingsRmCommand = withHelp(
  defineCommand({
    meta: { name: "rm", description: "Remove recordings for good" },
    args: {
      recording: manyWords(recordingArg),
      yes: { type: "boolean", alias: "y", description: "Do not ask" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const found = [];
      for (const reference of args._) found.push(await findRecording(server, reference));
      for (const recording of found) {
        const title = titleOf(recording);
        if (!args.yes) {
          if (!process.stdin.isTTY)
            throw new UsageError(
              `stdin is no terminal to ask whether the recording of ${title} is meant`,
              "give --yes",
            );
          if (!(await confirm(`remove the recording of ${title}?`))) return 1;
        }
        await removeRecording(server, recording.id);
        say(`removed the recording of ${title}`);
      }
      return 0;
    },
  }),
  { examples: [["rexec recordings rm 3f9a01bc", "As recordings ls shows it"]] },
);
