/** Puts the gateway together, starts it and stops it. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../lib/errors.ts";
import { gather } from "../lib/gather.ts";
import type { Logger } from "../lib/log.ts";
import { ScreenPool } from "../screen/pool.ts";
import { SnapshotBudget } from "../screen/snapshot-budget.ts";
import type { AuditLog } from "./audit/audit.ts";
import { type AuditOptions, startAudit } from "./audit/service.ts";
import { Access } from "./auth/access.ts";
import { Authenticator } from "./auth/authenticate.ts";
import { JoinSource } from "./auth/join-source.ts";
import { Passwords } from "./auth/passwords.ts";
import { RateLimit, type RateLimitOptions } from "./auth/rate-limit.ts";
import { SessionSource } from "./auth/session-source.ts";
import { ShareSource } from "./auth/share-source.ts";
import { SESSION_TIMES, type SessionTimes, SignIn } from "./auth/sign-in.ts";
import { startEphemeralCleanup } from "./ephemeral-cleanup.ts";
import { explained, firstAdministrator } from "./first-start.ts";
import { createApp } from "./http/app.ts";
import { containerSource } from "./http/container-source.ts";
import type { RequestLog } from "./http/request-log.ts";
import { TrustedProxies } from "./http/trusted-proxies.ts";
import type { ListenerOptions, SocketTools } from "./listener.ts";
import { Operations } from "./operations.ts";
import { QUOTAS, type Quotas } from "./quotas.ts";
import { type RecordingService, type RecordingSettings, startRecordings } from "./recordings/start.ts";
import { startServer } from "./server.ts";
import { SocketAcceptor } from "./sessions/acceptor.ts";
import type { AgentDirectory } from "./sessions/agent-directory.ts";
import { ContainerFeed } from "./sessions/container-feed.ts";
import { type AgentRecorder, Hub } from "./sessions/hub.ts";
import { RingBudget } from "./sessions/ring-budget.ts";
import { SessionQuota } from "./sessions/session-census.ts";
import { DeviceFlow, type DeviceFlowLimits } from "./sign-in/device-flow.ts";
import type { OidcProvider } from "./sign-in/oidc-provider.ts";
import { OidcSignIn } from "./sign-in/oidc-sign-in.ts";
import { PasskeySignIn } from "./sign-in/passkeys.ts";
import { SecondFactor } from "./sign-in/totp.ts";
import { startViewerCheck } from "./sockets/viewer-check.ts";
import { openStore, type Store } from "./store/store.ts";
import { TIMINGS, type Timings } from "./timings.ts";
import type { TlsFiles } from "./tls/tls-pair.ts";
import { TlsReload } from "./tls/tls-reload.ts";

export { newAdminToken } from "./first-start.ts";

/** What `rexec serve` sets by its options. */
export interface GatewayOptions extends RecordingSettings {
  /** Address to listen on; default 127.0.0.1. */
  host?: string | undefined;
  /** Default 8080; 0 for any free one. */
  port?: number | undefined;
  /** Folder of the database; it is made if it is missing. */
  dataDir: string;
  /** The URL that agents and viewers use, if requests do not show it (behind a proxy). */
  publicUrl?: string | undefined;
  /** They are followed: new connections get a renewed certificate. */
  tls?: TlsFiles | undefined;
  /** A socket that listens already, in place of `host` and `port`; it needs `sockets`. */
  inherited?: (NonNullable<ListenerOptions["inherited"]> & { readonly host: string }) | undefined;
  sockets?: SocketTools | undefined;
  /** Folders to look for the agent's executables in; the first one that has any is served. */
  downloads?: readonly string[] | undefined;
  /** Origins of web pages that may open terminals, beside the gateway's own. */
  allowOrigins?: readonly string[] | undefined;
  /** Reverse proxies whose X-Forwarded-For, -Proto and -Host count: see `TrustedProxies`. */
  trustProxy?: readonly string[] | undefined;
  logger: Logger;
  /** Takes a line for each request; without it none is made. */
  requestLog?: RequestLog | undefined;
  timings?: Partial<Timings> | undefined;
  failedLogins?: RateLimitOptions | undefined;
  /** Bounds of sign-ins by a code; default `DEVICE_FLOW`. */
  deviceFlow?: Partial<DeviceFlowLimits> | undefined;
  /** The identity provider that users may sign in at. */
  oidc?: OidcProvider | undefined;
  /** Bytes for the output of all sessions that have or had a viewer; default 256 MiB. */
  ringBudget?: number | undefined;
  /** Lines above the screen that a new viewer gets; default 1,000. */
  scrollback?: number | undefined;
  /** How long browser sessions last; default `SESSION_TIMES`. */
  sessionTimes?: Partial<SessionTimes> | undefined;
  /** How much one user may have; default `QUOTAS`. */
  quotas?: Partial<Quotas> | undefined;
  audit?: AuditOptions | undefined;
  /** Speak rexec.v1 with all peers, whatever they offer. */
  v1Only?: boolean | undefined;
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
  const { logger, host = "127.0.0.1", port = 8080 } = options;
  const timings = { ...TIMINGS, ...options.timings };
  const store = await openStore(options.dataDir);
  const auditing = startAudit(store, options.dataDir, logger, options.audit);
  const audit = auditing.log;
  const { scrollback = SCROLLBACK_LINES } = options;
  const budget = new RingBudget(options.ringBudget);
  const screens = new ScreenPool({ warn: (text) => logger.warn(text) });
  const recordings = await startRecordings({ ...options, store, audit }).catch(async (error: unknown) => {
    await auditing.close();
    await store.close();
    throw error;
  });
  const quotas = { ...QUOTAS, ...options.quotas };
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
    recorder(store, logger),
  );
  const directory = options.directory?.(hub) ?? hub;
  recordings.follow(directory);
  let tls: TlsReload | null = null;
  auditing.follow(directory);
  const feed = new ContainerFeed(containerSource(store, directory, quotas), directory, (error) =>
    logger.error(`cannot tell a list of agents: ${messageOf(error)}`),
  );
  const signIns = new RateLimit(options.failedLogins);
  const watched = { hub, store, budget, screens, auditing, recordings };
  const operations = new Operations({ ...watched, metricsToken: options.metricsToken, logger });
  try {
    if (store.othersCanRead) logger.warn(`others on this machine can look into ${options.dataDir}`);
    const passwords = new Passwords();
    const times = { ...SESSION_TIMES, ...options.sessionTimes };
    const signIn = new SignIn({ store, directory, passwords, times });
    const sources = [new SessionSource(store, times), new JoinSource(store), new ShareSource(store)];
    const authenticator = new Authenticator(store, signIns, sources, (address, reason, principal) => {
      const action = principal?.credential.kind === "join" ? "join.refused" : "token.refused";
      audit.record({ action, principal, address, details: { reason } });
    });
    const access = new Access(store);
    startViewerCheck({ directory, connections: hub.connections, access, store, logger });
    const downloads = options.downloads?.find(hasDownloads) ?? null;
    const app = createApp({
      store,
      directory,
      authenticator,
      access,
      audit,
      operations,
      quotas,
      recordings,
      signIn,
      passwords,
      auditTail: auditing.tail,
      deviceFlow: new DeviceFlow(store, quotas.tokens, options.deviceFlow),
      secondFactor: new SecondFactor(store),
      passkeys: new PasskeySignIn(store),
      oidc: options.oidc ? new OidcSignIn(options.oidc, { store, directory, audit, logger }) : null,
      downloads,
      logger,
    });
    const allowOrigins = options.allowOrigins ?? [];

    const trusted = new TrustedProxies(options.trustProxy);
    const publicUrl = options.publicUrl?.replace(/\/+$/, "");
    const { inherited } = options;
    tls = options.tls ? followTls(options.tls, timings, logger, () => server.renew()) : null;
    const server = startServer({
      host,
      port,
      tls: () => tls?.current ?? null,
      inherited,
      tools: options.sockets,
      app,
      connections: hub.connections,
      logger,
      upgrade: {
        store,
        directory,
        admissions: hub.admissions,
        acceptor: new SocketAcceptor({ hub, feed, timings, logger, audit }),
        feed,
        audit,
        authenticator,
        access,
        quotas,
        timings,
        logger,
        allowOrigins,
        v1Only: options.v1Only ?? false,
      },
      proxy: { publicUrl, trusted },
      requestLog: options.requestLog,
    });
    const first = await firstSecretsOnce(server, store, audit);
    const stopEphemeralCleanup = startEphemeralCleanup({
      store,
      directory,
      audit,
      logger,
      afterMs: timings.ephemeralMs,
    });
    const url = `${tls ? "https" : "http"}://${reachable(inherited?.host ?? host)}:${server.port}`;
    let stopping: Promise<void> | null = null;
    return {
      url,
      publicUrl: publicUrl ?? url,
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
          .then(() => auditing.close())
          .finally(() => store.close());
        screens.stop();
        return stopping;
      },
    };
  } catch (error) {
    tls?.stop();
    feed.stop();
    operations.stop();
    hub.stop();
    await recordings.stop();
    await auditing.close();
    await store.close().catch(() => {}); // what went wrong first counts
    throw explained(error, options.dataDir);
  }
}

// --- internal ---

/** Made once the gateway listens: a start that fails must not use up the secrets that are shown once. */
async function firstSecretsOnce(server: ReturnType<typeof startServer>, store: Store, audit: AuditLog) {
  try {
    return await firstAdministrator(store, audit);
  } catch (error) {
    await server.stop(true);
    throw error;
  }
}

function followTls(files: TlsFiles, timings: Timings, logger: Logger, apply: () => void): TlsReload {
  const { tlsPollMs: pollMs, tlsSettleMs: settleMs } = timings;
  return new TlsReload({ files, apply, logger, pollMs, settleMs });
}

function hasDownloads(folder: string): boolean {
  const names = ["amd64", "arm64"].map((arch) => join(folder, `rexec-agent-linux-${arch}`));
  return names.some((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** The address for clients on this machine. */
function reachable(host: string): string {
  if (host === "0.0.0.0" || host === "::" || host === "") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** Keeps the records up to date. A database that fails is logged, and no terminal waits for it. */
function recorder(store: Store, logger: Logger): AgentRecorder {
  const record = (write: Promise<void>) =>
    void write.catch((error: unknown) => {
      const why = messageOf(error);
      gather(logger, { level: "error", kind: "records", who: why }, `cannot record: ${why}`);
    });
  return {
    connected: (id, at) => record(store.agents.markConnected(id, at)),
    alive: (id, at) => record(store.agents.markPing(id, at)),
    systemInfo: (id, info) => record(store.agents.setSystemInfo(id, info)),
  };
}

async function stop(
  server: ReturnType<typeof startServer>,
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
