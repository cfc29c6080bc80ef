import { changeAgent } from "../client/machines.ts";
import { UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { LENGTHS } from "../protocol/values.ts";
import { defineCommand, say, withHelp, writeOut } from "./_cli.ts";
import { called, findMachine, machineArg } from "./_machines.ts";
import { serverArgs } from "./_server.ts";

export const describeCommand = withHelp(
  defineCommand({
    meta: { name: "describe", description: "Say what a machine is for" },
    args: {
      machine: machineArg,
      text: {
        type: "positional",
        required: false,
        valueHint: "TEXT",
        description: "The description; empty takes it away (default: print the one that is there)",
      },
      ...serverArgs,
    },
    async run({ args }) {
      const text = args._[1];
      if (text !== undefined && text.length > LENGTHS.description) {
        throw new UsageError(
          `the description has ${text.length} characters`,
          `a server takes ${LENGTHS.description}`,
        );
      }
      const { server, agent } = await findMachine(args, args.machine);
      if (text === undefined) return writeOut(`${printable(agent.description ?? "")}\n`);
      await changeAgent(server, agent.id, { description: text });
      say(text === "" ? `${called(agent)} has no description any more` : `described ${called(agent)}`);
    },
  }),
  {
    examples: [
      ['rexec describe web-1 "the shop, with its own database"', "Say it"],
      ["rexec describe web-1", "Read it"],
    ],
  },
);
