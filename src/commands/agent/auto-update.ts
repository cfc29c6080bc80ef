import { readMark } from "../../agent/update/mark.ts";
import type { UpdatePlace } from "../../agent/update/place.ts";
import { offeredVersion } from "../../agent/update/release.ts";
import { finish, install, isUnfinished } from "../../agent/update/update.ts";
import { VERSION } from "../../lib/version.ts";
import { defineCommand, withHelp } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";
import { ownWords } from "./_own-words.ts";
import { endpointOf, updatesFor } from "./_updates.ts";

/** How long a new version may take to connect, ms. */
const WAIT_MS = 60_000;

/**
 * What an agent with `auto_update` runs now and then. The one that restarts the agent is not the agent's child (it would
 * be left a zombie), so the work is in two processes: the second runs the former version, which is kept.
 */
export const autoUpdateCommand = withHelp(
  defineCommand({
    meta: { name: "auto-update", description: "What an agent with auto_update runs", hidden: true },
    args: {
      finish: {
        type: "string",
        valueHint: "V",
        description: "Restart the agent, now that this version is in place",
      },
      of: {
        type: "string",
        valueHint: "FILE",
        description: "With --finish: the executable that was replaced",
      },
      ...agentArgs,
    },
    async run({ args }) {
      const logger = agentLogger(args);
      const loaded = loadAgentConfig(args, logger, { rights: "root" });
      const tell = (line: string) => logger.info(`update: ${line}`);
      const endpoint = endpointOf(loaded);
      if (args.finish) {
        const request = { ...updatesFor(loaded, { waitMs: WAIT_MS, tell }, args.of), sparesShells: true };
        const done = await finish(request, args.finish);
        if (done.kind === "installed" && done.reason === "put-off")
          tell("shells are open, so the agent restarts another time");
        return 0;
      }
      const offered = await offeredVersion({ endpoint });
      const request = updatesFor(loaded, { waitMs: WAIT_MS, tell });
      const failed = readMark(request.place).failed?.version;
      // An update may have been killed right before it restarted the agent.
      if (offered === VERSION && (await isUnfinished(request)))
        return handOver(request.place, loaded.path, offered);
      if (Bun.semver.order(offered, VERSION) <= 0 || offered === failed) {
        logger.debug(`update: nothing newer than ${VERSION}${offered === failed ? " that works here" : ""}`);
        return 0;
      }
      tell(`the server offers ${offered}, this is ${VERSION}`);
      await install(request, { wanted: offered, offered });
      return handOver(request.place, loaded.path, offered);
    },
  }),
  { examples: [["rexec-agent auto-update", "Now, and without a word to a person"]] },
);

// --- internal ---

/** To a process of the former version, which is kept, and which the agent is not waited by. */
function handOver({ old, executable }: UpdatePlace, config: string, version: string): number {
  const words = [`--finish=${version}`, `--of=${executable}`, `--config=${config}`];
  const command = [old, ...ownWords(), "auto-update", ...words];
  Bun.spawn(command, { cwd: "/", detached: true, stdio: ["ignore", "ignore", "inherit"] }).unref();
  return 0;
}
