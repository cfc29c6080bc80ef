import { bare, offeredVersion } from "../../agent/update/release.ts";
import { type Finished, finish, install } from "../../agent/update/update.ts";
import { parseDuration } from "../../lib/duration.ts";
import { RexecError, UsageError } from "../../lib/errors.ts";
import { printable } from "../../lib/printable.ts";
import { PUBLIC_KEY, VERSION } from "../../lib/version.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";
import { progressBar } from "./_progress.ts";
import { endpointOf, updatesFor } from "./_updates.ts";

export const updateCommand = withHelp(
  defineCommand({
    meta: { name: "update", description: "Replace this program by the version that its server offers" },
    args: {
      check: { type: "boolean", description: "Only say whether there is a newer one" },
      version: { type: "string", valueHint: "V", description: "Take this version" },
      "allow-downgrade": { type: "boolean", description: "Also where it is older than this one" },
      force: { type: "boolean", description: "Also where it is the version that is here" },
      wait: {
        type: "string",
        valueHint: "TIME",
        description: "How long the new one may take to connect before it is taken back (default 60s)",
      },
      json: { type: "boolean", description: "With --check: as JSON" },
      host: { type: "string", valueHint: "URL", description: "Server to ask (default: the agent's)" },
      ...agentArgs,
    },
    async run({ args }) {
      const loaded = loadAgentConfig(args, agentLogger(args), { rights: "root" });
      const waitMs = parseDuration(args.wait ?? "60s");
      if (waitMs === null || waitMs === 0)
        throw new UsageError(`--wait takes a time such as 60s, not ${args.wait}`);
      const asked = args.version === undefined ? null : bare(args.version);
      const offered = await offeredVersion({ endpoint: endpointOf(loaded) });
      const wanted = asked ?? offered;
      if (args.check) return check(wanted, offered, args.json === true);
      const order = Bun.semver.order(wanted, VERSION);
      const bar = progressBar(process.stderr);
      const request = () => updatesFor(loaded, { waitMs, tell: bar.say, onProgress: bar.show });
      if (order === 0 && !args.force) {
        say(`${VERSION} is here already${asked ? "" : ", and is what the server offers"}`);
        // An update may have been killed right before it restarted the agent.
        if (PUBLIC_KEY) report(await finish(request(), VERSION), VERSION, ["none-runs", "runs-another"]);
        return 0;
      }
      if (order < 0 && !args["allow-downgrade"]) {
        throw new RexecError(`${wanted} is older than this version, ${VERSION}`, {
          code: "downgrade",
          hint: "with --allow-downgrade it is taken all the same",
        });
      }
      const update = request();
      await install(update, { wanted, offered }).finally(bar.end);
      say(`${update.place.executable} is ${wanted} now; ${VERSION} is kept as ${update.place.old}`);
      report(await finish(update, wanted), wanted);
      return 0;
    },
  }),
  {
    examples: [
      ["rexec-agent update --check", "Is there a newer version?"],
      ["sudo rexec-agent update", "Download, check, try, replace, restart"],
      [
        "rexec-agent update --version 1.2.3 --allow-downgrade",
        "Back to an earlier one, if the server has it",
      ],
    ],
    notes: [
      "What is downloaded must have the SHA-256 that the server lists and a signature by the key that is built in, for " +
        "this file and this version. A version that cannot connect where the one before could is taken back.",
      "With auto_update: true in the configuration (or REXEC_AUTO_UPDATE=1) the agent does this by itself, once a day.",
    ],
  },
);

// --- internal ---

function report(done: Finished, version: string, unsaid: readonly string[] = []): void {
  if (done.kind === "restarted")
    say(`the agent runs ${version}${done.connected ? ", and is connected" : ""}`);
  else if (!unsaid.includes(done.reason)) say(REMARKS[done.reason]);
}

const REMARKS = {
  "none-runs": "no agent runs with this configuration: nothing to restart",
  "runs-another": "the agent that runs was started from another file: it was not restarted",
  "put-off": "the agent that runs still is the former version: shells are open",
  "by-hand": "the agent that runs still is the former version: restart it when it suits you",
} as const;

async function check(wanted: string, offered: string, asJson: boolean): Promise<number> {
  const order = Bun.semver.order(wanted, VERSION);
  if (asJson) {
    const facts = { current: VERSION, offered, wanted, newer: order > 0 };
    await writeJson(facts);
    return 0;
  }
  const words = order > 0 ? "is newer" : order < 0 ? "is older" : "is here already";
  await writeOut(`${printable(wanted)} ${words}${order === 0 ? "" : `: this is ${VERSION}`}\n`);
  if (order > 0) say("next: rexec-agent update");
  return 0;
}
