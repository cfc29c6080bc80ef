import { askStatus } from "../../agent/control/client.ts";
import { runtimePlace } from "../../agent/control/place.ts";
import { defineCommand, withHelp, writeOut } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";

export const statusCommand = withHelp(
  defineCommand({
    meta: { name: "status", description: "Show the current status of the agent" },
    args: { ...agentArgs, json: { type: "boolean", description: "As JSON" } },
    async run({ args }) {
      const loaded = loadAgentConfig(args, agentLogger(args));
      const status = await askStatus(runtimePlace(loaded.path, process.env));
      await writeOut(`${JSON.stringify(status, null, 2)}\n`);
      return status ? 0 : 3;
    },
  }),
  { examples: [["rexec-agent status", "Exit code 0 where it runs, 3 where it does not"]] },
);
