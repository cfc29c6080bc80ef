import { listViewers, setControl } from "../client/viewers.ts";
import { UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { serverArgs } from "./_server.ts";
import { atAgentArg, findRunningSession } from "./_sessions.ts";
import { pickViewer } from "./_viewers.ts";
import { waitArgs, waitOf } from "./_wait.ts";

export const controlCommand = withHelp(
  defineCommand({
    meta: { name: "control", description: "Let one viewer of a session type alone, or every viewer" },
    args: {
      session: {
        type: "positional",
        required: true,
        valueHint: "SESSION",
        description: "The session's name, or its beginning: rexec sessions lists them",
      },
      what: {
        type: "positional",
        required: true,
        valueHint: "take|free",
        description: "take: one viewer alone. free: every viewer that may type",
      },
      agent: atAgentArg,
      viewer: {
        type: "string",
        valueHint: "VIEWER",
        description: "With take: this viewer, as rexec viewers shows it (default: your newest one there)",
      },
      ...waitArgs,
      ...serverArgs,
    },
    async run({ args }) {
      if (args.what !== "take" && args.what !== "free")
        throw new UsageError(`control cannot be "${args.what}"`, "say take or free");
      if (args.what === "free" && args.viewer !== undefined)
        throw new UsageError("--viewer belongs to take", "leave it out");
      const wait = waitOf(args);
      const { server, agent, session } = await findRunningSession(args, args.session, args.agent, wait);
      const viewers = args.viewer === undefined ? [] : await listViewers(server, agent.id);
      const viewer = args.viewer === undefined ? undefined : pickViewer(args.viewer, viewers).id;
      const mode = args.what === "take" ? "only" : "everybody";
      const { name = "" } = await setControl(server, agent.id, session.session, { mode, viewer });
      const where = `${printable(session.session)} on ${printable(agent.name)}`;
      say(
        mode === "only"
          ? `${printable(name)} alone types in ${where} now`
          : `every viewer can type in ${where}`,
      );
      return 0;
    },
  }),
  {
    examples: [
      ["rexec control main take --agent web-1", "You alone type, in the terminal that shows it"],
      ["rexec control main free", "Every viewer can type again"],
    ],
    notes: [
      "In a shell, Ctrl+] c takes control and Ctrl+] o gives it back. Control ends when its viewer leaves. While another " +
        "viewer has it, only a manager of the machine can take it.",
    ],
  },
);
