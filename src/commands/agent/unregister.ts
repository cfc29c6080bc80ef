import { type LoadedConfig, requireAgentId } from "../../agent/config/config.ts";
import { runtimePlaces } from "../../agent/control/place.ts";
import { type FoundAgent, findAgent } from "../../agent/daemon/find.ts";
import { type Keeper, keeperOf } from "../../agent/daemon/keeper.ts";
import { logFiles } from "../../agent/daemon/log-file.ts";
import { logPlaces } from "../../agent/daemon/log-place.ts";
import { stopAgent } from "../../agent/daemon/stop.ts";
import { ownFolders, removeAtServer, removeFiles } from "../../agent/enroll/unregister.ts";
import { runner } from "../../agent/service/run.ts";
import { ExitCode, messageOf, RexecError, UsageError } from "../../lib/errors.ts";
import { removalPlace } from "../../lib/hints.ts";
import { resolveEndpoint } from "../../lib/net.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { confirm } from "../_stdin.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";

/** How long the agent may take to end its shells, ms. */
const GRACE_MS = 10_000;

export const unregisterCommand = withHelp(
  defineCommand({
    meta: { name: "unregister", description: "Remove this machine from Rexec" },
    args: {
      yes: { type: "boolean", alias: "y", description: "Do not ask" },
      token: {
        type: "string",
        valueHint: "TOKEN",
        description: "A token of the account, where the agent's own may not do it (or REXEC_TOKEN)",
      },
      ...agentArgs,
    },
    async run({ args }) {
      const loaded = loadAgentConfig(args, agentLogger(args), { rights: "kept" });
      const { agentId } = requireAgentId(loaded);
      const ask = args.yes !== true;
      if (ask && !process.stdin.isTTY) {
        throw new UsageError(
          "stdin is no terminal, so nobody can be asked whether to go on",
          "--yes goes on without",
        );
      }
      const name = loaded.file?.settings.name ?? agentId;
      if (
        ask &&
        !(await confirm(
          `remove "${name}" (${agentId}) from ${loaded.host}, end its shells and delete ${loaded.path}?`,
        ))
      ) {
        say("nothing was done");
        return ExitCode.failed;
      }
      const problems: string[] = [];
      const running = await runningHere(loaded.path);
      const atServer = await removeThere(loaded, agentId);
      if (atServer) {
        say(`not removed at ${loaded.host}: ${atServer}`);
        if (ask && !(await confirm("remove it here all the same?"))) return ExitCode.failed;
        problems.push(
          `the server still has agent ${agentId}: delete it there, ${removalPlace(loaded.host, agentId)}`,
        );
      }
      problems.push(...(await removeHere(loaded.path, running)));
      for (const problem of problems) say(`could not be done: ${problem}`);
      return problems.length > 0 ? ExitCode.failed : ExitCode.ok;
    },
  }),
  {
    examples: [
      ["rexec-agent unregister", "Asks first"],
      ["rexec-agent unregister --yes", "For scripts"],
    ],
    notes: [
      "Removes the agent at the server, stops it here, and deletes its configuration and log. What cannot be done is said at " +
        "the end, and the exit code is 1 then. A service stays installed, but stopped: rexec-agent uninstall removes it.",
    ],
  },
);

// --- internal ---

/** @returns why not */
async function removeThere(loaded: LoadedConfig, agentId: string): Promise<string | null> {
  try {
    const endpoint = resolveEndpoint({
      url: loaded.host,
      insecure: loaded.insecure,
      caFile: loaded.caFile,
      env: process.env,
    });
    const done = await removeAtServer({ endpoint, agentId, token: loaded.token });
    say(done === "removed" ? `removed at ${loaded.host}` : `${loaded.host} did not know it any more`);
    return null;
  } catch (error) {
    const hint = error instanceof RexecError && error.hint ? ` (${error.hint})` : "";
    return `${messageOf(error)}${hint}`;
  }
}

interface Running {
  agent: FoundAgent | null;
  keeper: Keeper | null;
  problem: string | null;
}

/** Before the server's deletion ends it. */
async function runningHere(configPath: string): Promise<Running> {
  try {
    const agent = await findAgent(runtimePlaces(configPath, process.env));
    const keeper = agent ? await keeperOf(agent, configPath, runner(process.env)) : null;
    return { agent, keeper, problem: null };
  } catch (error) {
    return { agent: null, keeper: null, problem: messageOf(error) };
  }
}

/** @returns what could not be done */
async function removeHere(configPath: string, { agent, keeper, problem }: Running): Promise<string[]> {
  const { env } = process;
  const places = runtimePlaces(configPath, env);
  const problems = problem ? [`the running agent was not stopped: ${problem}`] : [];
  try {
    if (agent) {
      const stopped = await stopAgent({ agent, keeper, graceMs: GRACE_MS, insist: true, run: runner(env) });
      say(`stopped (pid ${stopped.pid})`);
      if (keeper) say(`${keeper.name} is still installed: rexec-agent uninstall removes it`);
    }
  } catch (error) {
    problems.push(`the running agent was not stopped: ${messageOf(error)}`);
  }
  const logs = places.flatMap((place) => logPlaces(place, env)).flatMap(logFiles);
  const files = [configPath, ...new Set(logs)];
  const removed = removeFiles(files, ownFolders([...files, ...places.map(({ pid }) => pid)]));
  if (removed.paths.length > 0) say(`deleted ${removed.paths.join(", ")}`);
  return [...problems, ...removed.problems];
}
