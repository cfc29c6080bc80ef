import { hostname } from "node:os";
import { type RegisterOutcome, registerAgent } from "../../agent/enroll/register.ts";
import { currentAccount } from "../../agent/machine/child-env.ts";
import { chooseShell, resolveShell } from "../../agent/machine/shell.ts";
import { tokenPlace } from "../../lib/hints.ts";
import { quoteWord } from "../../lib/quote.ts";
import { isJwt } from "../../protocol/token.ts";
import { defineCommand, mayBeEmpty, repeatable, say, withHelp } from "../_cli.ts";
import { defaultName, descriptionOf, nameOf, tagsOf } from "./_description.ts";
import { agentArgs, agentLogger, ENVIRONMENT_NOTE, loadAgentConfig } from "./_options.ts";
import { askToken } from "./_token.ts";

export const registerCommand = withHelp(
  defineCommand({
    meta: { name: "register", description: "Register this machine as a Rexec terminal" },
    args: {
      name: {
        type: "string",
        alias: "n",
        valueHint: "NAME",
        description: "Name for this terminal (default: hostname)",
      },
      description: mayBeEmpty({
        type: "string",
        alias: "d",
        valueHint: "TEXT",
        description: "Description of this server",
      }),
      shell: {
        type: "string",
        alias: "s",
        valueHint: "PATH",
        description: "Shell to use (default: $SHELL or /bin/bash)",
      },
      tags: mayBeEmpty(
        repeatable({
          type: "string",
          alias: "t",
          valueHint: "A,B,…",
          description: "Comma-separated tags for organization",
        }),
      ),
      token: {
        type: "string",
        valueHint: "TOKEN",
        description: "Join token or API token (or set REXEC_TOKEN; else it is asked for, unseen)",
      },
      host: {
        type: "string",
        valueHint: "URL",
        description: "API host (REXEC_HOST or REXEC_API; default: https://rexec.pipeops.io)",
      },
      force: {
        type: "boolean",
        description: "Register as a new agent even where this machine is one already",
      },
      ...agentArgs,
    },
    async run({ args }) {
      const described = {
        name: nameOf(args.name),
        description: descriptionOf(args.description),
        tags: tagsOf(args.tags),
      };
      const loaded = loadAgentConfig(args, agentLogger(args), { isNew: true });
      const shell = args.shell === undefined ? undefined : resolveShell(args.shell, process.env.PATH);
      const outcome = await registerAgent({
        loaded,
        env: process.env,
        ...described,
        shell,
        force: args.force === true,
        defaults: {
          name: defaultName(hostname()),
          shell: chooseShell(undefined, process.env.SHELL, currentAccount()),
        },
        askToken: () => askToken(loaded.host, true),
      });
      report(outcome, loaded.host);
    },
  }),
  {
    examples: [
      ["rexec-agent register", "Asks for the token"],
      ["rexec-agent register --name prod-1 --tags production,aws", "With a name and tags"],
      ["rexec-agent register --shell /bin/zsh", "Again, on a registered machine: changes what is given"],
    ],
    notes: [
      "Writes the file named by --config or REXEC_CONFIG, else the one that exists already, else " +
        "/etc/rexec/agent.yaml for root and ~/.rexec/agent.json for others.",
      ENVIRONMENT_NOTE,
    ],
  },
);

// --- internal ---

function report(outcome: RegisterOutcome, host: string): void {
  const { kind, name, agentId, path, shell } = outcome;
  say(`${kind === "registered" ? "registered" : "updated"} "${name}" (${agentId}) at ${host}`);
  say(`shell ${shell}; configuration in ${path}`);
  for (const warning of outcome.warnings) say(`warning: ${warning}`);
  if (isJwt(outcome.token)) {
    say("warning: this is a login token (JWT), which expires after 24 hours");
    say(`  make an API token (${tokenPlace(host)}) and run: rexec-agent register --token TOKEN`);
  }
  if (outcome.isPending) say(`it connects once it is accepted: rexec accept ${quoteWord(name)}`);
  say(kind === "registered" ? "next: rexec-agent start" : "next: rexec-agent restart, if the agent runs");
}
