import { selfTest } from "../../agent/update/self-test.ts";
import { defineCommand, withHelp, writeOut } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";

export const selfTestCommand = withHelp(
  defineCommand({
    meta: {
      name: "self-test",
      description: "Whether this executable works here: terminal, configuration, server",
      hidden: true,
    },
    args: agentArgs,
    async run({ args }) {
      const report = await selfTest(loadAgentConfig(args, agentLogger(args)), process.env);
      await writeOut(`${JSON.stringify(report)}\n`);
    },
  }),
  { examples: [["rexec-agent self-test", "What an update asks of a new executable"]] },
);
