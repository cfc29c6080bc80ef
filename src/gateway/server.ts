/** `Bun.serve` around the routes and the sockets. */
import type { Server, WebSocketHandler } from "bun";
import { isNameError } from "../lib/connection-error.ts";
import { errnoOf, messageOf, RexecError } from "../lib/errors.ts";
import { gather } from "../lib/gather.ts";
import type { Logger } from "../lib/log.ts";
import { HTTP_BODY_BYTES, LARGEST_FRAME_BYTES } from "../protocol/limits.ts";
import { ApiError } from "./http/api-error.ts";
import type { createApp } from "./http/app.ts";
import { REQUEST_ID } from "./http/request-id.ts";
import { hostProblem, type ProxyOptions, type RequestInfo, requestInfo } from "./http/request-info.ts";
import { noteRequest, type RequestLog } from "./http/request-log.ts";
import { Listener, type ListenerOptions } from "./listener.ts";
import type { SocketData } from "./sockets/connection.ts";
import type { Connections } from "./sockets/connections.ts";
import { isSocketPath, type UpgradeDeps, upgradeSocket } from "./sockets/upgrade.ts";
import type { TlsPair } from "./tls/tls-pair.ts";

/** How the gateway listens. */
export interface ServerOptions {
  host: string;
  /** 0 for any free one. */
  port: number;
  /** The certificate of new servers; null for http. */
  tls(): TlsPair | null;
  inherited: ListenerOptions["inherited"];
  tools: ListenerOptions["tools"];
  app: ReturnType<typeof createApp>;
  connections: Connections;
  upgrade: UpgradeDeps;
  proxy: Omit<ProxyOptions, "listening">;
  requestLog: RequestLog | undefined;
  logger: Logger;
}

/** @throws RexecError `port_in_use`, `bad_tls`, `cannot_listen` */
export function startServer(options: ServerOptions): Listener {
  const { port, inherited, tools, logger } = options;
  const listener: Listener = new Listener({
    listen: (at, isOwn) => listen(options, at, isOwn ? options.host : "127.0.0.1", () => listener.port),
    port,
    inherited,
    tools,
    logger,
  });
  return listener;
}

// --- internal ---

/** @param listensAt the port that clients use, which is not that of a server on an inherited socket */
function listen(
  options: ServerOptions,
  port: number,
  hostname: string,
  listensAt: () => number,
): Server<SocketData> {
  const { proxy } = options;
  const tls = options.tls();
  let listening: string | undefined;
  try {
    return Bun.serve<SocketData>({
      hostname,
      port,
      ...(tls ? { tls: { cert: tls.cert, key: tls.key } } : {}),
      // The routes answer a body that is too large themselves, in JSON; this stops what is far beyond.
      maxRequestBodySize: 16 * HTTP_BODY_BYTES,
      idleTimeout: REQUEST_S,
      async fetch(request, server) {
        server.timeout(request, ANSWER_S);
        const startedAt = performance.now();
        const peer = server.requestIP(request)?.address ?? "unknown";
        listening ??= originOf(server, listensAt());
        const info = requestInfo(request, peer, { ...proxy, listening });
        const response = await answer(request, server, info, options);
        response?.headers.set(REQUEST_ID, info.requestId);
        if (options.requestLog) {
          const path = pathOf(request);
          noteRequest(
            options.requestLog,
            { method: request.method, path, status: response?.status ?? 101 },
            info,
            startedAt,
          );
        }
        return response;
      },
      websocket: socketHandler(options.connections),
    });
  } catch (error) {
    throw explain(error, options);
  }
}

/** Never rejects. Undefined for a request that has become a socket. */
async function answer(
  request: Request,
  server: Server<SocketData>,
  info: RequestInfo,
  { app, upgrade, logger }: ServerOptions,
): Promise<Response | undefined> {
  try {
    const problem = hostProblem(request.headers.get("host"));
    if (problem) return new ApiError(400, "bad_host", problem).toResponse(info.requestId);
    // Without a Host (HTTP/1.0) Bun gives the path alone.
    const url = new URL(URL.canParse(request.url) ? request.url : `http://localhost${request.url}`);
    if (isSocketPath(url.pathname)) return await upgradeSocket(request, url, server, info, upgrade);
    return await app.fetch(forRoutes(request, url), info);
  } catch (error) {
    const why = messageOf(error);
    const fields = { request_id: info.requestId };
    const cause = { level: "error", kind: "failed requests", who: why, atOnce: 3, fields } as const;
    gather(logger, cause, `a request failed: ${why} (request ${info.requestId})`);
    return new ApiError(500, "internal", PROBLEM).toResponse(info.requestId);
  }
}

const PROBLEM = "the gateway has a problem of its own; its log says which";

function originOf({ url }: Server<SocketData>, port: number): string {
  const address = new URL(url.origin);
  address.port = String(port);
  return address.origin;
}

function pathOf({ url }: Request): string {
  return URL.canParse(url) ? new URL(url).pathname : (url.split("?", 1)[0] ?? "");
}

/** Seconds without a byte of a request that is not whole, or between two of them. */
const REQUEST_S = 15;
/** Seconds without a byte either way once it is whole: a download over a poor line may rest for a while. */
const ANSWER_S = 60;

/**
 * Hono wants a whole URL. It would answer HEAD with a body of length 0; Bun leaves the body of a GET out by itself and
 * keeps the length.
 */
function forRoutes(request: Request, url: URL): Request {
  const whole = URL.canParse(request.url) ? request : new Request(url.href, request);
  return whole.method === "HEAD" ? new Request(whole, { method: "GET" }) : whole;
}

function socketHandler(connections: Connections): WebSocketHandler<SocketData> {
  return {
    // One number for all kinds of socket, so it is the largest: `sockets/frame-watch.ts` bounds what is not whole.
    maxPayloadLength: LARGEST_FRAME_BYTES,
    // No limit here, since a message beyond it would be dropped: `v1/flow.ts` says what bounds it.
    backpressureLimit: 0,
    // Pings and the end of the silent are `Connection`'s: Bun's would also count a socket that we do not read.
    idleTimeout: 0,
    sendPings: false,
    // Keystrokes do not shrink; time and memory do not come back.
    perMessageDeflate: false,
    open: (ws) => ws.data.connection.opened(ws),
    message: (ws, message) => ws.data.connection.received(message),
    drain: (ws) => ws.data.connection.drained(),
    ping: (ws, data) => ws.data.connection.pinged(data.length),
    pong: (ws, data) => ws.data.connection.ponged(data.length),
    close(ws, code, reason) {
      ws.data.connection.closed(code, reason);
      connections.released(ws.data.connection);
    },
  };
}

function explain(error: unknown, { host, port, tls }: ServerOptions): RexecError {
  const code = errnoOf(error) ?? "";
  const where = `${host}:${port}`;
  if (code === "EADDRINUSE") {
    const hint = "choose another one with --port; is a gateway running already?";
    return new RexecError(`port ${port} is in use on ${host}`, { code: "port_in_use", hint, cause: error });
  }
  if (code === "EACCES") {
    const hint = "ports below 1024 need root or CAP_NET_BIND_SERVICE: choose another with --port";
    return new RexecError(`may not listen on ${where}`, { code: "cannot_listen", hint, cause: error });
  }
  if (tls() && /^ERR_|PEM|SSL|X509|TLS/i.test(`${code} ${messageOf(error)}`)) {
    return new RexecError(`cannot use the certificate and key: ${messageOf(error)}`, {
      code: "bad_tls",
      hint: "--tls-cert and --tls-key are PEM files that belong together",
      cause: error,
    });
  }
  // What Bun calls an address that is not ours, or no address at all, differs from time to time and by the resolver.
  const isForeign =
    /^(ENXIO|EADDRNOTAVAIL|EINVAL|EAFNOSUPPORT)$/.test(code) ||
    isNameError(code) ||
    /failed to listen/i.test(messageOf(error));
  const why = isForeign ? "this machine has no such address" : messageOf(error);
  return new RexecError(`cannot listen on ${where}: ${why}`, {
    code: "cannot_listen",
    hint: "--host is an address of this machine, 127.0.0.1 or 0.0.0.0 for example",
    cause: error,
  });
}
