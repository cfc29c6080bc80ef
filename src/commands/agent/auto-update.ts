import { readMark } from "../../agent/update/mark.ts";
import { offeredVersion } from "../../agent/update/release.ts";
import { finish, install } from "../../agent/update/update.ts";
import { VERSION } from "../../lib/version.ts";
import { defineCommand, withHelp } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";
import { endpointOf, ownWords, updatesFor } from "./_updates.ts";

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
      const loaded = loadAgentConfig(args, logger);
      const tell = (line: string) => logger.info(`update: ${line}`);
      const endpoint = endpointOf(loaded);
      if (args.finish) {
        await finish(updatesFor(loaded, { waitMs: WAIT_MS, tell }, args.of), args.finish);
        return 0;
      }
      const offered = await offeredVersion({ endpoint });
      const request = updatesFor(loaded, { waitMs: WAIT_MS, tell });
      const failed = readMark(request.place).failed?.version;
      if (Bun.semver.order(offered, VERSION) <= 0 || offered === failed) {
        logger.debug(`update: nothing newer than ${VERSION}${offered === failed ? " that works here" : ""}`);
        return 0;
      }
      tell(`the server offers ${offered}, this is ${VERSION}`);
      await install(request, { wanted: offered, offered });
      const { old, executable } = request.place;
      const words = [`--finish=${offered}`, `--of=${executable}`, `--config=${loaded.path}`];
      const stdio = ["ignore", "ignore", "inherit"] as const;
      Bun.spawn([old, ...ownWords(), "auto-update", ...words], {
        cwd: "/",
        detached: true,
        stdio: [...stdio],
      }).unref();
      return 0;
    },
  }),
  { examples: [["rexec-agent auto-update", "Now, and without a word to a person"]] },
);
