import { changeAgent } from "../client/machines.ts";
import { RexecError, UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { Agent } from "../protocol/http.ts";
import { defineCommand, manyWords, say, signedWords, withHelp, writeOut } from "./_cli.ts";
import { called, findMachine, machineArg } from "./_machines.ts";
import { serverArgs } from "./_server.ts";
import { tagsOf } from "./agent/_description.ts";

export const tagCommand = withHelp(
  defineCommand({
    meta: { name: "tag", description: "Give a machine tags, or take some off" },
    args: {
      machine: machineArg,
      change: signedWords(
        manyWords({
          type: "positional",
          required: false,
          valueHint: "+TAG|-TAG",
          description:
            "+prod gives it a tag, -old takes one off; several may be given (default: print its tags)",
        }),
      ),
      ...serverArgs,
    },
    async run({ args }) {
      const [, ...changes] = args._;
      const add_tags = tagsBehind("+", changes);
      const remove_tags = tagsBehind("-", changes);
      const both = add_tags.find((tag) => remove_tags.includes(tag));
      if (both !== undefined) throw new UsageError(`the tag "${both}" is both given and taken off`);
      const { server, agent } = await findMachine(args, args.machine);
      if (changes.length === 0) return print(agent);
      const { tags } = await changeAgent(server, agent.id, { add_tags, remove_tags });
      const isDone =
        tags && add_tags.every((tag) => tags.includes(tag)) && !remove_tags.some((tag) => tags.includes(tag));
      if (!isDone) {
        throw new RexecError(`the server did not take the tags of ${called(agent)}`, {
          code: "tags_not_taken",
          hint: "it may be of an earlier version, or know no tags",
        });
      }
      say(
        `${called(agent)} has ${tags.length === 0 ? "no tags" : `the tag${tags.length === 1 ? "" : "s"} ${printable(tags.join(", "))}`}`,
      );
    },
  }),
  {
    examples: [
      ["rexec tag web-1 +prod +eu -staging", "Two more, and one less"],
      ["rexec tag web-1", "Print its tags, one a line"],
    ],
    notes: [
      "Rights may go by tags (rexec grant). A tag that a machine has given itself gives no right until it is given here.",
    ],
  },
);

// --- internal ---

async function print({ tags, own_tags }: Agent): Promise<void> {
  await writeOut((tags ?? []).map((tag) => `${printable(tag)}\n`).join(""));
  if (own_tags?.length)
    say(`the machine gave itself, without rights by it: ${printable(own_tags.join(", "))}`);
}

/** @throws UsageError for a word without a sign, and for what is no tag */
function tagsBehind(sign: "+" | "-", words: readonly string[]): string[] {
  const bare = words.find((word) => !/^[+-]./.test(word));
  if (bare !== undefined)
    throw new UsageError(`"${bare}" says neither + nor -`, `write +${bare} or -${bare}`);
  const tags = words.filter((word) => word.startsWith(sign)).map((word) => word.slice(1));
  return tagsOf(tags.join(",")) ?? [];
}
