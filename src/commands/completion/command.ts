import { UsageError } from "../../lib/errors.ts";
import { type CommandData, defineCommand, withHelp, writeOut } from "../_cli.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { type CommandSpec, completionSpecs } from "./spec.ts";
import { zshCompletion } from "./zsh.ts";

export const completionCommand = withHelp(
  defineCommand({
    meta: { name: "completion", description: "Print a completion script for this program" },
    args: {
      shell: {
        type: "positional",
        required: true,
        valueHint: "bash|zsh|fish",
        description: "The shell that is to complete",
      },
    },
    async run({ args, data }) {
      const { program }: CommandData = data;
      const generate = GENERATORS[args.shell];
      if (!generate) {
        throw new UsageError(`no completion for "${args.shell}"`, "there is one for bash, zsh and fish");
      }
      await writeOut(generate(await completionSpecs(program)));
    },
  }),
  {
    examples: [
      ["source <(rexec completion bash)", "In ~/.bashrc; zsh the same, in ~/.zshrc"],
      ["rexec completion fish | source", "In ~/.config/fish/config.fish"],
      ["source <(rexec-agent completion bash)", "For the agent's own program"],
    ],
    notes: ["It completes the program that printed it: rexec, with all of rexec agent …, or rexec-agent."],
  },
);

// --- internal ---

const GENERATORS: Record<string, ((specs: readonly CommandSpec[]) => string) | undefined> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};
