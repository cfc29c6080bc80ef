import type { AgentStatus } from "../../agent/control/messages.ts";
import { currentAccount } from "../../agent/machine/child-env.ts";
import { whyNothingBoots } from "../../agent/service/detect.ts";
import { installService } from "../../agent/service/install.ts";
import { ensureLinger } from "../../agent/service/linger.ts";
import type { Recipe } from "../../agent/service/recipe.ts";
import type { Run } from "../../agent/service/run.ts";
import { settledAgent } from "../../agent/service/running.ts";
import type { ServiceSpec } from "../../agent/service/spec.ts";
import { defineCommand, say, withHelp, writeOut } from "../_cli.ts";
import { assertAllowed, serviceArgs, serviceContext, specOf } from "./_service.ts";

export const installCommand = withHelp(
  defineCommand({
    meta: {
      name: "install",
      description: "Install the agent as a service: at every boot, and again after a crash",
    },
    args: {
      ...serviceArgs,
      "dry-run": { type: "boolean", description: "Print what would be written and run, and change nothing" },
    },
    async run({ args }) {
      const context = await serviceContext(args);
      const { recipe, run } = context;
      if (args["dry-run"]) return dryRun(recipe, specOf(context));
      assertAllowed(context, "install", args);
      const spec = specOf(context);
      const done = await installService({ recipe, spec, run, tell: say, env: process.env });
      if (done === "unchanged") say(`nothing to do: the service runs, as ${recipe.file} says`);
      else say(`${done} the service${spec.user === null ? "" : `, which runs as ${spec.user}`}`);
      if (recipe.init === "systemd" && args.user) await tellLinger(run);
      const why = whyNothingBoots(recipe.init);
      if (why !== null) {
        say(`warning: nothing runs ${recipe.file} at the next start of this machine: ${why}`);
        say("  have what starts the container run: rexec-agent start");
      }
      say(connectionLine(await settledAgent(spec, process.env), spec.host));
      say(`see: ${recipe.status}; ${recipe.logs}`);
    },
  }),
  {
    examples: [
      ["sudo rexec-agent install", "With the configuration that rexec-agent register wrote"],
      ["rexec-agent install --user", "For your own account, without root"],
      ["rexec-agent install --dry-run", "Show the service's file"],
    ],
    notes: [
      "Run it again after a change: it restarts the agent only where the executable, the configuration or the service's " +
        "file is another one.",
      "The service reads everything from the configuration file. It runs as the owner of that file.",
    ],
  },
);

// --- internal ---

async function tellLinger(run: Run): Promise<void> {
  const line = await ensureLinger(run, currentAccount().name);
  if (line !== null) say(line);
}

function connectionLine(status: AgentStatus | null, host: string): string {
  if (status === null) return "the agent does not say yet whether it is connected";
  if (status.connection === "connected") return `connected to ${status.host} as "${status.name}"`;
  if (status.pending) return `not connected yet: ${status.last_error?.message ?? "it waits to be accepted"}`;
  const why = status.last_error ? `: ${status.last_error.message}` : "";
  return `not connected to ${host} yet${why}; it goes on trying`;
}

/** The file to stdout, everything else to stderr. */
async function dryRun(recipe: Recipe, spec: ServiceSpec): Promise<void> {
  say(`would write ${recipe.file}:`);
  await writeOut(recipe.text(spec));
  for (const command of [...recipe.reload, ...recipe.enable, ...recipe.start]) {
    say(`would run: ${command.join(" ")}`);
  }
}
