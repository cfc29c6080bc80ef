/** The agent: registers this machine with a Rexec server and serves its shells. */
import { defineCommand, globalArgs, runProgram, withHelp } from "./commands/_cli.ts";
import { agentSubCommands } from "./commands/agent/index.ts";

const main = withHelp(
  defineCommand({
    meta: {
      name: "rexec-agent",
      description: "Make this machine reachable as a Rexec terminal, with no open port.",
    },
    args: globalArgs,
    subCommands: agentSubCommands,
  }),
  {
    examples: [
      ["rexec-agent register --name web-1", "Register this machine; asks for an API token"],
      ["rexec-agent start", "Connect it, in the foreground"],
    ],
  },
);

await runProgram(main);
