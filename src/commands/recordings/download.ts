import { open, rename, rm } from "node:fs/promises";
import { findRecording, openCast } from "../../client/recordings/api.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { defineCommand, say, withHelp, writeOut } from "../_cli.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { recordingArg } from "./_recording.ts";

export const recordingsDownloadCommand = withHelp(
  defineCommand({
    meta: { name: "download", description: "Save a recording as an asciicast file" },
    args: {
      recording: recordingArg,
      output: {
        type: "string",
        alias: "o",
        valueHint: "FILE",
        description: "Where to; - for stdout (default: recording-ID.cast in this folder)",
      },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const { id } = await findRecording(server, args.recording);
      const { body } = await openCast(server, id, 0);
      if (args.output === "-") {
        for await (const chunk of body ?? []) await writeOut(chunk);
        return;
      }
      const path = args.output ?? `recording-${id.replace(/[^\w-]/g, "_")}.cast`;
      const bytes = await saved(body, path);
      say(`saved ${bytes} bytes as ${path}`);
    },
  }),
  {
    examples: [
      ["rexec recordings download 3f9a01bc -o deploy.cast", "For asciinema play, or to keep"],
      ["rexec recordings download 3f9a01bc -o - | asciinema play -", "Straight into another player"],
    ],
  },
);

// --- internal ---

/** Under the name that it is to have only once it is whole. */
async function saved(body: AsyncIterable<Uint8Array> | null, path: string): Promise<number> {
  const partial = `${path}.part`;
  let bytes = 0;
  try {
    const file = await open(partial, "w", 0o600);
    try {
      for await (const chunk of body ?? []) {
        await file.writeFile(chunk);
        bytes += chunk.length;
      }
    } finally {
      await file.close();
    }
    await rename(partial, path);
    return bytes;
  } catch (error) {
    await rm(partial, { force: true });
    throw new RexecError(`cannot save ${path}: ${messageOf(error)}`, { code: "cannot_save", cause: error });
  }
}
