/** One connection to the viewer socket of an agent: opened or explained, watched for a dead peer, closed once. */
import { constants } from "node:http2";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { connectionError, HttpError } from "../lib/http.ts";
import { dialOptions, wsUrl } from "../lib/net.ts";
import { DEAD_PEER_MS, PING_INTERVAL_MS } from "../protocol/limits.ts";
import { SUBPROTOCOL_V1 } from "../protocol/v1.ts";
import { parseToViewerMessage, type ToViewerMessage, viewerQuery } from "../protocol/v1-viewer.ts";
import { getAgent, type Server } from "./api.ts";

/** Who looks at what. */
export interface ViewerTarget {
  server: Server;
  agentId: string;
  /** This viewer's own stable id: the same again replaces the earlier connection and keeps its session. */
  viewerId: string;
  newSession: boolean;
  execOnly?: boolean;
}

/** How a connection ended. */
export interface ViewerClose {
  code: number;
  reason: string;
}

/** What a connection is told; both are called in order and must not block. */
export interface ViewerEvents {
  onMessage(message: ToViewerMessage): void;
  /** Output as raw bytes, where a server sends it so. */
  onBytes?(bytes: Uint8Array): void;
}

export interface ViewerSocket {
  send(data: string | Uint8Array<ArrayBuffer>): void;
  /** Bytes that were sent and have not left this process. */
  readonly buffered: number;
  /** Stops reading: the server then waits. */
  pause(): void;
  resume(): void;
  readonly closed: Promise<ViewerClose>;
  /** Ends it at once. */
  close(): void;
}

/**
 * Opens the socket.
 * @throws HttpError (401, 403, 404: final), RexecError `agent_offline`, or as `connectionError`
 */
export async function openViewer(
  target: ViewerTarget,
  events: ViewerEvents,
  signal: AbortSignal,
  timing = { pingMs: PING_INTERVAL_MS, deadMs: DEAD_PEER_MS, openMs: 20_000 },
): Promise<ViewerSocket> {
  signal.throwIfAborted();
  const query = viewerQuery({ ...target, id: target.viewerId });
  const path = `/ws/agent/${encodeURIComponent(target.agentId)}/terminal?${query}`;
  const url = wsUrl(target.server.endpoint, path);
  const socket = new WebSocket(url, {
    headers: { Authorization: `Bearer ${target.server.token}` },
    protocols: [SUBPROTOCOL_V1],
    // Keystrokes do not shrink; time and memory do not come back.
    perMessageDeflate: false,
    ...dialOptions(target.server.endpoint, url),
  });
  socket.binaryType = "arraybuffer";
  const viewer = watch(socket, events, signal, timing);
  const failure = await opened(socket, viewer.closed, timing.openMs);
  if (!failure) return viewer;
  viewer.close();
  signal.throwIfAborted();
  throw await explain(target, failure, url, signal);
}

/** True where another try cannot help. */
export function isFinal(error: unknown): boolean {
  return error instanceof RexecError && error.exitCode !== ExitCode.failed;
}

// --- internal ---

/** RFC 6455, section 7.4.1. */
const NORMAL = 1000;

/** Resolves to null once open, or to what was said where it never opened. */
async function opened(
  socket: WebSocket,
  closed: Promise<ViewerClose>,
  limitMs: number,
): Promise<Error | null> {
  const { promise, resolve } = Promise.withResolvers<Error | null>();
  const timer = setTimeout(() => resolve(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
  socket.addEventListener("open", () => resolve(null), { once: true });
  socket.addEventListener("error", (event) => resolve(new Error(event.message || "failed")), { once: true });
  void closed.then(({ code }) => resolve(new Error(`closed with ${code}`)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

function watch(
  socket: WebSocket,
  events: ViewerEvents,
  signal: AbortSignal,
  timing: { pingMs: number; deadMs: number },
): ViewerSocket {
  const { promise: closed, resolve } = Promise.withResolvers<ViewerClose>();
  let heard = performance.now();
  let paused = false;
  const end = (close: ViewerClose) => {
    clearInterval(timer);
    signal.removeEventListener("abort", abort);
    socket.terminate();
    resolve(close);
  };
  const abort = () => {
    // Says goodbye, but does not wait for the answer: a peer that is gone gives none.
    if (socket.readyState === WebSocket.OPEN) socket.close(NORMAL, "left");
    end({ code: NORMAL, reason: "left" });
  };
  const timer = setInterval(() => {
    if (socket.readyState !== WebSocket.OPEN) return;
    // A paused socket hears nothing, and answers no ping: an unasked pong keeps the server from giving up on us.
    if (paused) return void socket.pong();
    if (performance.now() - heard > timing.deadMs)
      return end({ code: 1006, reason: "the server fell silent" });
    socket.ping();
  }, timing.pingMs);
  const alive = () => {
    heard = performance.now();
  };
  signal.addEventListener("abort", abort);
  socket.addEventListener("ping", alive);
  socket.addEventListener("pong", alive);
  socket.addEventListener("close", ({ code, reason }) => end({ code, reason }));
  socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    alive();
    if (data instanceof ArrayBuffer) return events.onBytes?.(new Uint8Array(data));
    const parsed = typeof data === "string" ? parseToViewerMessage(data) : null;
    // A newer server may say more than we know; a broken message is nobody's output.
    if (parsed?.ok) events.onMessage(parsed.value);
  });
  return {
    send: (data) => void socket.send(data),
    get buffered() {
      return socket.bufferedAmount;
    },
    pause() {
      if (!paused) socket.pause();
      paused = true;
    },
    resume() {
      if (paused) socket.resume();
      paused = false;
      alive();
    },
    closed,
    close: abort,
  };
}

/** Bun tells a refused upgrade's status only in prose, so the API is asked: it knows the same refusals. */
async function explain(target: ViewerTarget, failure: Error, url: URL, signal: AbortSignal): Promise<Error> {
  try {
    const agent = await getAgent(target.server, target.agentId, signal);
    if (agent.status === "online") return connectionError(failure, url);
    return new RexecError(`${agent.name} is ${agent.status === "offline" ? "offline" : "not connected"}`, {
      code: "agent_offline",
      hint: "start its agent there: rexec-agent start",
    });
  } catch (error) {
    if (error instanceof HttpError && error.status === constants.HTTP_STATUS_TOO_MANY_REQUESTS) {
      return connectionError(failure, url);
    }
    return error instanceof Error ? error : failure;
  }
}
