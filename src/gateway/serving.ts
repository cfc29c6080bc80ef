/** What a gateway serves, and where: the routes, the sockets, the certificate and the address. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { type AppOptions, createApp } from "./http/app.ts";
import type { RequestLog } from "./http/request-log.ts";
import { TrustedProxies } from "./http/trusted-proxies.ts";
import type { Listener, ListenerOptions, SocketTools } from "./listener.ts";
import { startServer } from "./server.ts";
import type { Connections } from "./sockets/connections.ts";
import type { UpgradeDeps } from "./sockets/upgrade.ts";
import type { TlsFiles } from "./tls/tls-pair.ts";
import { TlsReload } from "./tls/tls-reload.ts";

/** What `rexec serve` sets of serving. */
export interface ServingOptions {
  /** Address to listen on; default 127.0.0.1. */
  host?: string | undefined;
  /** Default 8080; 0 for any free one. */
  port?: number | undefined;
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
  /** Takes a line for each request; without it none is made. */
  requestLog?: RequestLog | undefined;
  /** Speak rexec.v1 with all peers, whatever they offer. */
  v1Only?: boolean | undefined;
}

/** What the routes and the sockets use. */
export interface ServingDeps
  extends Omit<AppOptions, "downloads">,
    Omit<UpgradeDeps, "allowOrigins" | "v1Only"> {
  connections: Connections;
}

/** A server that listens. Owned by the gateway, which stops both parts. */
export interface Serving {
  readonly server: Listener;
  /** Null for http. */
  readonly tls: TlsReload | null;
  /** The listening address for clients on this machine. */
  readonly url: string;
  /** The given public URL, without a slash at its end, or `url`. */
  readonly publicUrl: string;
  /** The folder that downloads come from; null without one. */
  readonly downloads: string | null;
}

/**
 * Listens, and answers from now on.
 * @throws RexecError `port_in_use`, `bad_tls`, `cannot_listen`
 */
export function startServing(options: ServingOptions, deps: ServingDeps): Serving {
  const { host = "127.0.0.1", port = 8080, inherited } = options;
  const { logger, timings, connections } = deps;
  const downloads = options.downloads?.find(hasDownloads) ?? null;
  const app = createApp({ ...deps, downloads });
  const trusted = new TrustedProxies(options.trustProxy);
  const publicUrl = options.publicUrl?.replace(/\/+$/, "");
  const { tlsPollMs: pollMs, tlsSettleMs: settleMs } = timings;
  const tls = options.tls
    ? new TlsReload({ files: options.tls, apply: () => server.renew(), logger, pollMs, settleMs })
    : null;
  let server: Listener;
  try {
    server = startServer({
      host,
      port,
      tls: () => tls?.current ?? null,
      inherited,
      tools: options.sockets,
      app,
      connections,
      logger,
      upgrade: { ...deps, allowOrigins: options.allowOrigins ?? [], v1Only: options.v1Only ?? false },
      proxy: { publicUrl, trusted },
      requestLog: options.requestLog,
    });
  } catch (error) {
    tls?.stop();
    throw error;
  }
  const url = `${tls ? "https" : "http"}://${reachable(inherited?.host ?? host)}:${server.port}`;
  return { server, tls, url, publicUrl: publicUrl ?? url, downloads };
}

// --- internal ---

function hasDownloads(folder: string): boolean {
  const names = ["amd64", "arm64"].map((arch) => join(folder, `rexec-agent-linux-${arch}`));
  return names.some((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** The address for clients on this machine. */
function reachable(host: string): string {
  if (host === "0.0.0.0" || host === "::" || host === "") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
