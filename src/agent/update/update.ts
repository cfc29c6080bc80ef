/** An update from the first question to the last: what is new, fetched, checked, tried, put in place, and proved. */
import { existsSync, readlinkSync } from "node:fs";
import { errnoOf, RexecError } from "../../lib/errors.ts";
import type { PublicKey } from "../../lib/minisign.ts";
import type { Endpoint } from "../../lib/net.ts";
import { COMMIT, VERSION } from "../../lib/version.ts";
import type { Run } from "../service/run.ts";
import { type DownloadTimes, discard, download } from "./download.ts";
import { readMark } from "./mark.ts";
import { assertReplaceable, lockExecutable, type UpdatePlace, unwritable } from "./place.ts";
import { findRelease, type Release } from "./release.ts";
import {
  awaitAgent,
  type KnownAgent,
  knownAgent,
  type Restarted,
  restartAgent,
  runsFile,
} from "./restart.ts";
import { testExecutable } from "./self-test.ts";
import { confirm, note, swap, swapBack, tidy } from "./swap.ts";
import { sha256Of, unpack, wrongSum } from "./unpack.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The installation to be updated. */
export interface UpdateRequest {
  endpoint: Endpoint;
  place: UpdatePlace;
  program: "rexec-agent" | "rexec";
  /** In front of a command: `agent` for the CLI's executable. */
  words: readonly string[];
  publicKey: PublicKey;
  /** Of the configuration file. */
  config: string;
  env: Environment;
  run: Run;
  /** How long the new one may take to connect, ms. */
  waitMs: number;
  /** Leave the agent alone where a restart would end open shells. */
  sparesShells?: boolean;
  tell(line: string): void;
  onProgress?(done: number, total: number | null): void;
  times?: DownloadTimes;
  signal?: AbortSignal;
}

/**
 * Fetches the release, checks it, tries it and puts it in place. The running agent is not touched yet.
 * @param versions the wanted one, and what the server said that it offers
 * @throws RexecError; the executable is then the one that it was
 */
export async function install(
  request: UpdateRequest,
  versions: { wanted: string; offered: string },
): Promise<void> {
  const { place, words, config, env, tell } = request;
  assertReplaceable(place, [place.executable, ...words, "update"]);
  using _lock = lockExecutable(place);
  assertOwn(place);
  const release = await findRelease({ ...request }, versions.wanted, versions.offered);
  try {
    await fetchAndUnpack(request, release);
    tell("signature and SHA-256 are right; trying it");
    const report = await testExecutable({
      executable: place.fresh,
      words,
      config,
      version: release.version,
      env,
    });
    if (report.pty !== "native")
      tell("warning: its terminals use the fallback: node-pty's addon cannot be loaded");
    const agent = await knownAgent(config, env).catch(() => null);
    const isOurs = agent !== null && runsFile(agent.pid, place.executable);
    const kept = await sha256Of(place.executable);
    note(place, ({ failed }) => ({
      ...(failed ? { failed } : {}),
      ...(isOurs ? { pending: { ...pendingOf(agent, `${report.version} (${report.commit})`), kept } } : {}),
    }));
    swap(place);
    tidy(place, null);
  } catch (error) {
    discard(place.fresh);
    if (!/^E[A-Z]+$/.test(errnoOf(error) ?? "")) throw error;
    throw unwritable(place, error, [place.executable, ...words, "update"]);
  }
}

/** How an update ended for the running agent. */
export type Finished =
  /** None runs, or it runs another file: nothing to restart. */
  | { kind: "installed"; reason: "none-runs" | "runs-another" | "by-hand" | "put-off" }
  | { kind: "restarted"; how: Restarted; connected: boolean };

/**
 * Restarts the agent and waits for its connection; where there is none in time, everything is as before.
 * @param version of the new one
 * @throws RexecError `update_rolled_back`, `update_not_kept`, `update_running`
 */
export async function finish(request: UpdateRequest, version: string): Promise<Finished> {
  const { place, config, env, run, waitMs, tell } = request;
  const before = await formerAgent(request);
  if (typeof before === "string") return { kind: "installed", reason: before };
  using _lock = lockExecutable(place);
  // Another process may have finished it before this one had the lock.
  const agent = await formerAgent(request);
  if (typeof agent === "string") return { kind: "installed", reason: agent };
  // It goes back to what the agent runs now, and to nothing else that has that name by then.
  using _kept = lockExecutable({ ...place, executable: place.old });
  const kept = readMark(place).pending?.kept ?? (await sha256Of(place.old));
  const mustConnect = agent.status?.connection === "connected";
  note(place, ({ pending, ...rest }) =>
    pending ? { ...rest, pending: { ...pending, watcher: process.pid } } : rest,
  );
  const isNoted = readMark(place).pending !== undefined;
  const restart = { executable: place.executable, config, env, run };
  const how = await restartAgent(agent, { ...restart, sparesShells: request.sparesShells });
  // What is noted stays: whenever the new one starts, it has to prove itself.
  if (how === "by-hand" || how === "put-off") return { kind: "installed", reason: how };
  tell(`restarted the agent${how === "in-place" ? ", its shells live on" : ""}; waiting for its connection`);
  const where = { executable: place.executable, config, env };
  // The new one takes the note away when it is connected: then a person may have stopped it since.
  const isProved = () => {
    const { pending, failed } = readMark(place);
    return isNoted && !pending && failed?.version !== version;
  };
  const fared = await awaitAgent(where, { mustConnect, limitMs: waitMs, isProved });
  if (fared.ok) {
    confirm(place);
    return { kind: "restarted", how, connected: mustConnect };
  }
  tell(`${version} does not do: ${fared.reason}; going back`);
  const isBack = swapBack(place, { version, reason: fared.reason, kept });
  // Where the new agent has gone back by itself it restarts by itself too.
  if (isBack) await restartAgent(agent, restart);
  const back = await awaitAgent(where, { mustConnect, limitMs: waitMs });
  throw new RexecError(`the update to ${version} was taken back: ${fared.reason}`, {
    code: "update_rolled_back",
    hint: back.ok
      ? `the agent runs as before; rexec-agent logs may say more`
      : `the former version is in place again, but the agent is not: ${back.reason}; start it`,
  });
}

/** Whether the agent still runs the former version, which is kept: an update was killed before it restarted it. */
export async function isUnfinished(request: UpdateRequest): Promise<boolean> {
  return typeof (await formerAgent(request)) !== "string";
}

// --- internal ---

/** The agent, where it runs the former version, or why there is none to restart. */
async function formerAgent({
  place,
  config,
  env,
}: UpdateRequest): Promise<KnownAgent | "none-runs" | "runs-another"> {
  const agent = await knownAgent(config, env).catch(() => null);
  if (!agent) return "none-runs";
  return runsFile(agent.pid, place.old) ? agent : "runs-another";
}

/** What is kept as the former version is taken for this one. @throws RexecError `update_running` */
function assertOwn({ executable }: UpdatePlace): void {
  if (readlinkSync("/proc/self/exe") === executable) return;
  throw new RexecError(`${executable} was replaced while this update began`, {
    code: "update_running",
    hint: "run the executable that is in its place now",
  });
}

function pendingOf({ status }: KnownAgent, to: string) {
  const connected = status?.connection === "connected";
  return {
    from: `${VERSION} (${COMMIT})`,
    to,
    at: new Date().toISOString(),
    starts: 0,
    connected,
    watcher: 0,
  };
}

async function fetchAndUnpack(request: UpdateRequest, release: Release): Promise<void> {
  const { endpoint, place, publicKey, onProgress, times, signal, tell } = request;
  const { path, sha256 } = release.packed ?? release;
  const part = place.part(sha256);
  tidy(place, part);
  const goesOn = existsSync(part);
  tell(`${goesOn ? "going on with" : "downloading"} ${endpoint.base.host}${path}`);
  const fetchIt = () =>
    download({
      ...{ endpoint, path, target: part },
      ...(onProgress ? { onProgress } : {}),
      ...(times ? { times } : {}),
      ...(signal ? { signal } : {}),
    });
  await fetchIt();
  let sum = await sha256Of(part);
  // What an earlier attempt left may be of another build, or spoilt by a power cut: once more, from the start.
  if (sum !== sha256 && goesOn) {
    discard(part);
    await fetchIt();
    sum = await sha256Of(part);
  }
  if (sum !== sha256) {
    discard(part);
    throw wrongSum(sha256, sum);
  }
  const isPacked = release.packed !== null;
  const checks = { sha256: release.sha256, signature: release.signature, publicKey };
  try {
    await unpack({ from: part, isPacked, to: place.fresh, like: place.executable, ...checks });
  } finally {
    discard(part);
  }
}
