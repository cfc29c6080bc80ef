import { changeAgent } from "../client/machines.ts";
import { UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { reasonOf } from "../protocol/parse.ts";
import { givenName } from "../protocol/values.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { called, findMachine, machineArg } from "./_machines.ts";
import { serverArgs } from "./_server.ts";

export const renameCommand = withHelp(
  defineCommand({
    meta: { name: "rename", description: "Give a machine another name" },
    args: {
      machine: machineArg,
      name: { type: "positional", required: true, valueHint: "NEW", description: "The new name" },
      ...serverArgs,
    },
    async run({ args }) {
      const name = givenName.safeParse(args.name);
      if (!name.success) throw new UsageError(`that is no name for a machine: it ${reasonOf(name.error)}`);
      const { server, agent } = await findMachine(args, args.machine);
      const { warning, name: taken } = await changeAgent(server, agent.id, { name: name.data });
      say(`renamed ${called(agent)} to "${printable(taken ?? name.data, 100)}"`);
      if (warning) say(`warning: ${printable(warning)}`);
    },
  }),
  { examples: [["rexec rename ip-10-0-0-7 web-1", "From now on: rexec connect web-1"]] },
);
