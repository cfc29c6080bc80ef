import { runtimePlaces } from "../../agent/control/place.ts";
import { findAgent } from "../../agent/daemon/find.ts";
import { restartRunning } from "../../agent/restart/ask.ts";
import { counted } from "../../lib/count.ts";
import { ExitCode } from "../../lib/errors.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";

export const restartCommand = withHelp(
  defineCommand({
    meta: { name: "restart", description: "Restart a running agent; its shells stay open" },
    args: agentArgs,
    async run({ args }) {
      const { path } = loadAgentConfig(args, agentLogger(args));
      const agent = await findAgent(runtimePlaces(path, process.env));
      if (!agent) {
        say(`no agent runs with the configuration ${path}`);
        return ExitCode.notSetUp;
      }
      const { status, isConnected } = await restartRunning(agent);
      const { sessions, commands } = status.restart ?? { sessions: 0, commands: 0 };
      const shells = sessions === 0 ? "" : `${counted(sessions, "shell")} and `;
      const kept =
        sessions + commands === 0 ? "nothing ran in it" : `${shells}${counted(commands, "command")} kept`;
      say(`restarted "${status.name}" in place (pid ${status.pid}, version ${status.version}): ${kept}`);
      if (isConnected) return ExitCode.ok;
      say(`it is not connected yet: ${status.last_error?.message ?? "it goes on trying"}`);
      return ExitCode.failed;
    },
  }),
  {
    examples: [
      ["rexec-agent restart", "After a change of the configuration, or of the executable"],
      ["systemctl kill -s USR2 --kill-whom=main rexec-agent", "The same by a signal"],
    ],
    notes: [
      "The process is replaced by the program that is in its place now; its pid, its shells, what they have printed and " +
        "the commands that run stay. The new program is tried first: where it would not start, nothing happens. " +
        "Exit code 3 where no agent runs.",
    ],
  },
);
