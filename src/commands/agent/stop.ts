import { findAgent } from "../../agent/daemon/find.ts";
import { keeperOf, waitingKeeper } from "../../agent/daemon/keeper.ts";
import { stopAgent, stopService } from "../../agent/daemon/stop.ts";
import { knownPlaces } from "../../agent/ephemeral/place.ts";
import { runner } from "../../agent/service/run.ts";
import { parseDuration } from "../../lib/duration.ts";
import { ExitCode, UsageError } from "../../lib/errors.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";

export const stopCommand = withHelp(
  defineCommand({
    meta: { name: "stop", description: "Stop a running agent" },
    args: {
      ...agentArgs,
      grace: {
        type: "string",
        valueHint: "TIME",
        description: "How long it may take to end its shells before it is killed (default 10s)",
      },
      service: {
        type: "boolean",
        description: "Where a service manager runs it: try to stop the service without root, too",
      },
    },
    async run({ args }) {
      const graceMs = parseDuration(args.grace ?? "10s");
      if (graceMs === null) throw new UsageError(`--grace takes a time such as 10s or 1m, not ${args.grace}`);
      const { path } = loadAgentConfig(args, agentLogger(args), { rights: "kept" });
      const agent = await findAgent(knownPlaces(path, process.env, args.config));
      const run = runner(process.env);
      const waiting = agent ? null : await waitingKeeper(path, run);
      if (waiting) {
        await stopService({ run, insist: args.service === true }, waiting, null);
        say(`stopped ${waiting.name}, which was about to start the agent again`);
        return 0;
      }
      if (!agent) {
        say(`no agent runs with the configuration ${path}`);
        return ExitCode.notSetUp;
      }
      const keeper = await keeperOf(agent, path, run);
      const stopped = await stopAgent({ agent, graceMs, keeper, insist: args.service === true, run });
      if (stopped.how === "ended") say(`stopped (pid ${stopped.pid})`);
      else if (stopped.how === "service") say(`stopped ${stopped.keeper.name} (pid ${stopped.pid})`);
      else say(`killed (pid ${stopped.pid}): it did not end within ${graceMs / 1000} s`);
      return 0;
    },
  }),
  {
    examples: [
      ["rexec-agent stop", "Ends its shells, then itself"],
      ["sudo rexec-agent stop", "Where systemd runs it as a service of the machine: stops the service"],
    ],
    notes: [
      "Where a service manager runs the agent, and would start it again, root stops the service; others are shown the " +
        "command. The service starts again at the next boot: rexec-agent uninstall removes it. " +
        "Exit code 3 where no agent runs.",
    ],
  },
);
