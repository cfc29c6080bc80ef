import { findAgent } from "../../agent/daemon/find.ts";
import { stopAgent } from "../../agent/daemon/stop.ts";
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
      service: { type: "boolean", description: "Where systemd runs it: stop the unit" },
    },
    async run({ args }) {
      const graceMs = parseDuration(args.grace ?? "10s");
      if (graceMs === null) throw new UsageError(`--grace takes a time such as 10s or 1m, not ${args.grace}`);
      const { path } = loadAgentConfig(args, agentLogger(args));
      const agent = await findAgent(knownPlaces(path, process.env, args.config));
      if (!agent) {
        say(`no agent runs with the configuration ${path}`);
        return ExitCode.notSetUp;
      }
      const stopped = await stopAgent({
        agent,
        graceMs,
        service: args.service === true,
        run: runner(process.env),
      });
      if (stopped.how === "ended") say(`stopped (pid ${stopped.pid})`);
      else if (stopped.how === "unit") say(`stopped ${stopped.unit.name} (pid ${stopped.pid})`);
      else say(`killed (pid ${stopped.pid}): it did not end within ${graceMs / 1000} s`);
      return 0;
    },
  }),
  {
    examples: [
      ["rexec-agent stop", "Ends its shells, then itself"],
      ["sudo rexec-agent stop --service", "Where systemd runs it, which would start it again"],
    ],
    notes: ["Exit code 3 where no agent runs."],
  },
);
