/** The agent: sessions and commands that live on, and an uplink that comes and goes. */
import { counted } from "../lib/count.ts";
import { messageOf } from "../lib/errors.ts";
import { reportFault } from "../lib/fault.ts";
import type { Logger } from "../lib/log.ts";
import { resolveEndpoint } from "../lib/net.ts";
import { ownOddVariables } from "../lib/own-bytes.ts";
import { distro } from "../lib/platform.ts";
import { type Line, Sender } from "../link/sender.ts";
import { encodeAgent } from "../protocol/v1.ts";
import { raiseOpenFiles } from "../pty/open-files.ts";
import { inheritsOrphans, startReaper } from "../pty/reap.ts";
import type { ActivityWatcher } from "./activity.ts";
import { RunManager } from "./commands/run-manager.ts";
import type { AgentConfig } from "./config/config.ts";
import { Credential, reloadToken } from "./config/credential.ts";
import type { RuntimePlace } from "./control/place.ts";
import type { ControlHandlers } from "./control/server.ts";
import { appear } from "./daemon/presence.ts";
import { childEnvironment, currentAccount, withOdd } from "./machine/child-env.ts";
import { chooseShell, loginArguments } from "./machine/shell.ts";
import { folderOf, warnAhead } from "./machine/start-folder.ts";
import { readSystemInfo } from "./machine/system-info.ts";
import { openersOf } from "./openers.ts";
import type { Inherited } from "./restart/inherited.ts";
import { restartHandler } from "./restart/on-request.ts";
import { Restarter } from "./restart/restarter.ts";
import { shellOpener } from "./sessions/open-shell.ts";
import { startReaping } from "./sessions/reaper.ts";
import { defaultRings } from "./sessions/rings.ts";
import { SessionManager } from "./sessions/session-manager.ts";
import { type RunInfo, StatusBoard } from "./status.ts";
import { type ConnectionTimes, TIMES, V2_LIVENESS } from "./uplink/connection.ts";
import { V2Link } from "./uplink/link.ts";
import { Pause } from "./uplink/pause.ts";
import type { UplinkContext, UplinkState } from "./uplink/state.ts";
import { StatsTicker } from "./uplink/stats-ticker.ts";
import { runUplink } from "./uplink/uplink.ts";
import { Dispatcher } from "./v1/dispatcher.ts";
import { ExecManager } from "./v1/exec-manager.ts";
import { V1Shells } from "./v1/shells.ts";

/** What an agent is run with, by the command that starts it. */
export interface AgentOptions {
  config: AgentConfig;
  logger: Logger;
  /** The agent's own environment. */
  env: Readonly<Record<string, string | undefined>>;
  /** Ends it gracefully: shells hung up, commands ended, the socket closed. */
  signal: AbortSignal;
  /** Ends the commands at once; the caller leaves right after. */
  now?: AbortSignal;
  onState?(state: UplinkState): void;
  /** Where others of this account can ask and tell it things while it runs, the best first; nowhere by default. */
  places?: readonly RuntimePlace[];
  /** What it takes there beside what every agent takes. */
  handlers?: ControlHandlers;
  run?: RunInfo;
  /** What shells and commands get and how they start, where that is not as usual. */
  shells?: ShellSettings;
  /** Follows who is there. */
  attendant?: ActivityWatcher;
  /** What the program image before this one has left. */
  inherited?: Inherited | null;
  /** Given, once, the means to replace this process by another program. */
  onRestarter?(restarter: Restarter): void;
  /** Other times than the contract's; for tests. */
  times?: ConnectionTimes;
  context?: Omit<UplinkContext, "subject">;
}

/** What shells of an ephemeral agent get that others do not. */
export interface ShellSettings {
  /** In place of the agent's own environment. */
  env: Readonly<Record<string, string | undefined>>;
  /** Added as it is. */
  extra: Readonly<Record<string, string>>;
  /** False leaves out what a login would read: /etc/profile sets another PATH. */
  isLogin: boolean;
  /** A line that each shell begins with. */
  greeting(): string;
}

/** How long the last words may take to reach the server at the end, ms. */
const LAST_WORDS_MS = 1_000;
/** How long what was asked for over a lost connection stands, ms. */
const VIEWER_GRACE_MS = 120_000;

/**
 * Runs until the signal.
 * @throws RexecError where the configuration will not do (`bad_host`, `insecure_host`, `bad_ca_file`), the server
 * refuses for good (exit code 4), or an agent runs there already (`already_running`)
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { config, logger, env, signal } = options;
  const endpoint = resolveEndpoint({
    url: config.host,
    insecure: config.insecure,
    caFile: config.caFile,
    env,
  });
  raiseOpenFiles();
  const account = currentAccount();
  const shell = chooseShell(config.shell, env.SHELL, account);
  const { shells } = options;
  const odd = ownOddVariables(env);
  const childEnv = {
    ...childEnvironment(withOdd(shells?.env ?? env, odd), shell, account),
    ...shells?.extra,
  };
  const shellArguments = shells?.isLogin === false ? ["-i"] : loginArguments(shell);
  const folder = folderOf(config, childEnv.HOME, logger);
  warnAhead(shell, folder, logger);
  const sender = new Sender({
    onFault(error, source) {
      if (!link?.failOf(source, error)) reportFault(logger, "output of a session failed", error);
    },
  });
  const openShell = shellOpener({ shell, args: shellArguments, env: childEnv, folder, logger });
  const rings = defaultRings();
  const viewerGraceMs = config.viewerGraceMs ?? VIEWER_GRACE_MS;
  const sessions = new SessionManager({
    ...config,
    logger,
    follow: (session) => v1.follow(session),
    onAgain: (id) => v1.open(id),
    openShell,
    greeting: () => shells?.greeting(),
    shell,
    rings: {
      ringSize: config.ringSize ?? rings.ringSize,
      ringBudget: config.ringBudget ?? rings.ringBudget,
    },
    viewerGraceMs,
  });
  const v1: V1Shells = new V1Shells({ ...config, sessions, sender, logger });
  const credential = new Credential(config.token);
  const board = new StatusBoard({
    config,
    shell,
    run: options.run ?? { kind: "foreground" },
    sessions: () => sessions.running().length,
    restart: () => restarter.info,
    token: () => credential.token,
  });
  const runs = new RunManager({ logger, shell, folder, env: childEnv, viewerGraceMs });
  const execs = new ExecManager({ sender, logger, shell, folder, env: childEnv });
  const inherited = takeOver(options, sessions, runs);
  const pause = new Pause();
  const restarter: Restarter = new Restarter({
    ...{ sessions, runs, execs, sender, pause, logger, signal, inherited },
    env: withOdd(env, odd),
    presence: () => presence,
  });
  using presence = options.places
    ? await appear({
        places: options.places,
        handlers: {
          status: () => board.read(),
          "reload-token": ({ token }) => reloadToken(credential, token),
          restart: restartHandler(restarter),
          ...options.handlers,
        },
        logger,
        isRequired: options.run?.kind === "daemon",
      })
    : null;
  options.onRestarter?.(restarter);
  const openers = openersOf(sessions, runs);
  let link: V2Link | null = null;
  const other = (frame: string) => link?.text(frame) ?? false;
  const viewers = (count: number) => options.attendant?.viewers(count);
  const dispatcher = new Dispatcher({ sender, sessions, shells: v1, execs, logger, other, viewers });
  const stats = new StatsTicker(sender);
  const stopReaping = startReaping({
    sessions,
    logger,
    idleMs: config.idleMs ?? 0,
    orphanMs: config.orphanMs ?? 0,
  });
  const stopReaper = inheritsOrphans() ? reapOrphans(logger) : () => {};
  const killNow = () => {
    execs.killNow();
    runs.killNow();
  };
  options.now?.addEventListener("abort", () => killNow(), { once: true });

  const socketEnds = new AbortController();
  const handler = {
    opened(line: Line, isV2: boolean) {
      board.speaks(isV2);
      v1.connect(isV2);
      sender.attach(line);
      link = isV2 ? new V2Link({ line, sender, openers, sessions, shells: v1, runs, logger }) : null;
      sender.control(encodeAgent.systemInfo(readSystemInfo(config.region)));
      stats.start();
      if (isV2) sessions.serveV2();
      v1.announce(isV2);
    },
    closed() {
      stats.stop();
      sender.detach();
      link?.lost();
      link = null;
    },
    text: (frame: string) => dispatcher.text(frame),
    binary: (bytes: Uint8Array) => (link ? link.bytes(bytes) : dispatcher.binary(bytes.length)),
  };
  const about = { name: config.name, shell, distro: distro() };
  const target = { endpoint, agentId: config.agentId, about };
  const shutDown = async () => {
    stats.stop();
    await Promise.all([sessions.close(), execs.close(), runs.close()]);
    await Promise.race([sender.drained(), Bun.sleep(LAST_WORDS_MS)]);
    socketEnds.abort();
  };
  options.attendant?.begin({
    get busy() {
      return sessions.running().length + execs.count + runs.infos().length;
    },
    get shellsStarted() {
      return sessions.started;
    },
    tell: (line) => sessions.tell(line),
  });
  let ending: Promise<void> | null = null;
  const stop = () => {
    logger.info(`stopping${sessions.count ? `, ending ${counted(sessions.count, "session")}` : ""}`);
    ending = shutDown();
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  try {
    await runUplink({
      context: { tokenInQuery: config.tokenInQuery === true, ...options.context },
      onState: (state) => {
        board.state(state);
        options.onState?.(state);
      },
      times: timesOf(options),
      target,
      credential,
      handler,
      logger,
      pause,
      signal: socketEnds.signal,
    });
  } finally {
    signal.removeEventListener("abort", stop);
    await (ending ?? shutDown());
    stopReaping();
    stopReaper();
  }
}

// --- internal ---

/** The shells and commands of the image before go on here. */
function takeOver({ inherited, logger }: AgentOptions, sessions: SessionManager, runs: RunManager) {
  const left = inherited?.open() ?? null;
  if (!left) return null;
  sessions.restore(left.sessions);
  runs.restore(left.runs);
  logger.info(
    `restarted in place (${left.reason}): ${counted(left.sessions.sessions.length, "shell")} and ${counted(left.runs.length, "command")} kept`,
  );
  return left;
}

/** Zombies are untidy; an agent that does not start is worse. */
function reapOrphans(logger: Logger): () => void {
  try {
    return startReaper();
  } catch (error) {
    logger.warn(`orphans will not be reaped: ${messageOf(error)}`);
    return () => {};
  }
}

function timesOf({ times, config }: AgentOptions): ConnectionTimes {
  const pingMs = config.pingMs ?? V2_LIVENESS.pingMs;
  const deadMs = config.deadMs ?? V2_LIVENESS.deadMs;
  return { v2: { pingMs, deadMs }, ...(times ?? TIMES) };
}
