/** `rexec recordings`: what was recorded of shells and commands. */
import { defineCommand, withHelp } from "../_cli.ts";

export const recordingsCommand = withHelp(
  defineCommand({
    meta: { name: "recordings", description: "List, play, download and remove recordings" },
    subCommands: {
      ls: () => import("./ls.ts").then((module) => module.recordingsLsCommand),
      play: () => import("./play.ts").then((module) => module.recordingsPlayCommand),
      download: () => import("./download.ts").then((module) => module.recordingsDownloadCommand),
      rm: () => import("./rm.ts").then((module) => module.recordingsRmCommand),
      start: () => import("./request.ts").then((module) => module.recordingsStartCommand),
      stop: () => import("./request.ts").then((module) => module.recordingsStopCommand),
      policy: () => import("./policy.ts").then((module) => module.recordingsPolicyCommand),
    },
  }),
  {
    examples: [
      ["rexec recordings ls", "The newest"],
      ["rexec recordings play 3f9a01bc", "Play one in this terminal"],
      ["rexec recordings policy --tag prod always", "Record all sessions on machines with that tag"],
    ],
  },
);
