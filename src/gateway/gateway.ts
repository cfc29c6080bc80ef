/**
 * Puts the gateway together, starts it and stops it. Its parts are in `records.ts` (what it keeps), `authentication.ts`
 * (how callers are told apart) and `serving.ts` (routes, sockets, certificate); agents and viewers meet in the `Hub`.
 */
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { ScreenPool } from "../screen/pool.ts";
import { SnapshotBudget } from "../screen/snapshot-budget.ts";
import type { AuditLog } from "./audit/audit.ts";
import { type AuthenticationOptions, createAuthentication } from "./authentication.ts";
import { startEphemeralCleanup } from "./ephemeral-cleanup.ts";
import { explained, firstAdministrator } from "./first-start.ts";
import { containerSource } from "./http/container-source.ts";
import type { Listener } from "./listener.ts";
import { Operations } from "./operations.ts";
import { QUOTAS, type Quotas } from "./quotas.ts";
import type { RecordingService } from "./recordings/start.ts";
import { agentRecorder, openRecords, type RecordsOptions } from "./records.ts";
import { type Serving, type ServingOptions, startServing } from "./serving.ts";
import { SocketAcceptor } from "./sessions/acceptor.ts";
import type { AgentDirectory } from "./sessions/agent-directory.ts";
import { ContainerFeed } from "./sessions/container-feed.ts";
import { Hub } from "./sessions/hub.ts";
import { RingBudget } from "./sessions/ring-budget.ts";
import { SessionQuota } from "./sessions/session-census.ts";
import { startViewerCheck } from "./sockets/viewer-check.ts";
import type { Store } from "./store/store.ts";
import { TIMINGS, type Timings } from "./timings.ts";

export { newAdminToken } from "./first-start.ts";

/** What `rexec serve` sets by its options. */
export interface GatewayOptions extends RecordsOptions, AuthenticationOptions, ServingOptions {
  logger: Logger;
  timings?: Partial<Timings> | undefined;
  /** Bytes for the output of all sessions that have or had a viewer; default 256 MiB. */
  ringBudget?: number | undefined;
  /** Lines above the screen that a new viewer gets; default 1,000. */
  scrollback?: number | undefined;
  /** How much one user may have; default `QUOTAS`. */
  quotas?: Partial<Quotas> | undefined;
  /** A token that may read /metrics and nothing else. Without one, administrators and this machine may. */
  metricsToken?: string | undefined;
  /** Replaces the directory of agents, which knows those of this process only, by one around it. */
  directory?: ((local: AgentDirectory) => AgentDirectory) | undefined;
}

const SCROLLBACK_LINES = 1_000;

/** A running gateway. Its creator stops it. */
export interface Gateway {
  /** The listening address for clients on this machine: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The given public URL, or `url`. */
  readonly publicUrl: string;
  /** The first administrator's token; null but on the very first start. */
  readonly adminToken: string | null;
  /** The secret of a login link for that administrator, as `loginLinkUrl` takes it; null like the token. */
  readonly loginLink: string | null;
  /** The folder that downloads come from; null without one. */
  readonly downloads: string | null;
  readonly store: Store;
  /** The agents and sockets of this process. */
  readonly hub: Hub;
  readonly recordings: RecordingService;
  /** Reads the certificate and its key again; says in the log what came of it. */
  reloadTls(): void;
  readonly operations: Operations;
  /** Closes all sockets (1001), finishes requests that are under way, closes the database. Takes `timings.stopMs` at most. */
  stop(): Promise<void>;
}

/**
 * Starts a gateway. On an empty data folder it makes the first user, an administrator, with a token.
 * @throws RexecError: the data folder, the certificate or the port cannot be used
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { logger, scrollback = SCROLLBACK_LINES } = options;
  const timings = { ...TIMINGS, ...options.timings };
  const quotas = { ...QUOTAS, ...options.quotas };
  const { store, auditing, recordings } = await openRecords(options);
  const audit = auditing.log;
  const budget = new RingBudget(options.ringBudget);
  const screens = new ScreenPool({ warn: (text) => logger.warn(text) });
  const hub = new Hub(
    {
      timings,
      budget,
      scrollback,
      screens,
      snapshots: new SnapshotBudget(),
      recordings: recordings.making,
      logger,
      sessions: new SessionQuota(quotas.sessions),
      audit,
    },
    agentRecorder(store, logger),
  );
  const directory = options.directory?.(hub) ?? hub;
  recordings.follow(directory);
  auditing.follow(directory);
  const feed = new ContainerFeed(containerSource(store, directory, quotas), directory, (error) =>
    logger.error(`cannot tell a list of agents: ${messageOf(error)}`),
  );
  const watched = { hub, store, budget, screens, auditing, recordings };
  const operations = new Operations({ ...watched, metricsToken: options.metricsToken, logger });
  let serving: Serving | null = null;
  try {
    if (store.othersCanRead) logger.warn(`others on this machine can look into ${options.dataDir}`);
    const authentication = createAuthentication(options, { store, directory, audit, quotas, logger });
    const { access } = authentication;
    const { connections, admissions } = hub;
    startViewerCheck({ directory, connections, access, store, logger });
    serving = startServing(options, {
      ...authentication,
      store,
      directory,
      audit,
      auditTail: auditing.tail,
      operations,
      quotas,
      recordings,
      connections,
      admissions,
      acceptor: new SocketAcceptor({ hub, feed, timings, logger, audit }),
      feed,
      timings,
      logger,
    });
    const { server, tls, url, publicUrl, downloads } = serving;
    const first = await firstSecretsOnce(server, store, audit);
    const afterMs = timings.ephemeralMs;
    const stopEphemeralCleanup = startEphemeralCleanup({ store, directory, audit, logger, afterMs });
    let stopping: Promise<void> | null = null;
    return {
      url,
      publicUrl,
      adminToken: first?.token ?? null,
      loginLink: first?.link ?? null,
      downloads,
      store,
      hub,
      recordings,
      reloadTls: () => (tls ? tls.reload() : logger.info("there is no certificate to read again")),
      operations,
      stop() {
        operations.stop();
        tls?.stop();
        stopEphemeralCleanup();
        feed.stop();
        stopping ??= stop(server, hub, recordings, timings.stopMs)
          .finally(() => auditing.close())
          .finally(() => store.close());
        screens.stop();
        return stopping;
      },
    };
  } catch (error) {
    serving?.tls?.stop();
    feed.stop();
    operations.stop();
    hub.stop();
    screens.stop();
    await recordings.stop();
    await auditing.close();
    await store.close().catch(() => {}); // what went wrong first counts
    throw explained(error, options.dataDir);
  }
}

// --- internal ---

/** Made once the gateway listens: a start that fails must not use up the secrets that are shown once. */
async function firstSecretsOnce(server: Listener, store: Store, audit: AuditLog) {
  try {
    return await firstAdministrator(store, audit);
  } catch (error) {
    await server.stop(true);
    throw error;
  }
}

async function stop(
  server: Listener,
  hub: Hub,
  recordings: RecordingService,
  limitMs: number,
): Promise<void> {
  const recorded = recordings.stop();
  hub.stop();
  const limit = Bun.sleep(limitMs);
  // Resolves when every request and socket has ended.
  await Promise.race([server.stop(), limit]);
  await server.stop(true);
  await Promise.race([recorded, limit]); // a disk that hangs holds no gateway
}
