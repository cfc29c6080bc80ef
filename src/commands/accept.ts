import { acceptAgent, listPending } from "../client/joins.ts";
import { UsageError } from "../lib/errors.ts";
import { defineCommand, manyWords, say, withHelp } from "./_cli.ts";
import { called, pickAgents } from "./_machines.ts";
import { currentServer, serverArgs } from "./_server.ts";

export const acceptCommand = withHelp(
  defineCommand({
    meta: { name: "accept", description: "Let machines in that wait to be accepted" },
    args: {
      machine: manyWords({
        type: "positional",
        required: false,
        valueHint: "WAITING",
        description: "Its name, or the beginning of its name or id; several may be given",
      }),
      all: { type: "boolean", description: "Every machine that waits" },
      ...serverArgs,
    },
    async run({ args }) {
      if ((args._.length === 0) !== (args.all === true)) {
        const what = args.all ? "--all and names are given" : "no machine is named";
        throw new UsageError(what, "give names, or --all; rexec ls --pending lists those that wait");
      }
      const server = currentServer(args);
      const waiting = await listPending(server);
      if (waiting.length === 0) {
        say("no machine waits to be accepted");
        return args.all ? 0 : 1;
      }
      for (const agent of args.all ? waiting : pickAgents(args._, waiting)) {
        const isNew = await acceptAgent(server, agent.id);
        say(
          isNew ? `accepted ${called(agent)}: it connects within seconds` : `${called(agent)} was in already`,
        );
      }
      return 0;
    },
  }),
  {
    examples: [
      ["rexec ls --pending", "See those that wait"],
      ["rexec accept web-1", "Let one in"],
      ["rexec rm web-2", "Refuse one"],
    ],
    notes: ["Machines wait that were registered with a token of rexec join create --approve."],
  },
);
