import { removeAgent } from "../client/machines.ts";
import { UsageError } from "../lib/errors.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { called, listAll, machinesArg, pickAgents } from "./_machines.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { confirm } from "./_stdin.ts";

export const rmCommand = withHelp(
  defineCommand({
    meta: { name: "rm", description: "Remove machines from the server, or refuse those that wait" },
    args: {
      machine: machinesArg,
      yes: { type: "boolean", alias: "y", description: "Do not ask" },
      ...serverArgs,
    },
    async run({ args }) {
      const server = currentServer(args);
      const agents = pickAgents(args._, await listAll(server));
      const what = agents.map(called).join(", ");
      if (!args.yes) {
        if (!process.stdin.isTTY)
          throw new UsageError(`stdin is no terminal to ask whether ${what} is meant`, "give --yes");
        if (!(await confirm(`remove ${what} from ${server.endpoint.base.host}, and end its sessions?`)))
          return 1;
      }
      for (const agent of agents) {
        await removeAgent(server, agent.id);
        say(`removed ${called(agent)}`);
      }
      return 0;
    },
  }),
  {
    examples: [
      ["rexec rm web-1", "Asks first"],
      ["rexec rm web-1 web-2 --yes", "For scripts"],
    ],
    notes: [
      "The agent stays on the machine, stops, and says that it was removed: rexec-agent unregister there removes both.",
    ],
  },
);
