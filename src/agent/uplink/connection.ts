/** One WebSocket connection to the server, from the dial to its end. What it says and how it ends goes to a handler. */

import { messageOf } from "../../lib/errors.ts";
import { connectionError } from "../../lib/http.ts";
import { dialOptions, type Endpoint, wsUrl } from "../../lib/net.ts";
import { goArch, goOs } from "../../lib/platform.ts";
import { PingGauge } from "../../link/ping-gauge.ts";
import type { Line } from "../../link/sender.ts";
import { LIVENESS_V2, LinkSocket } from "../../link/socket.ts";
import { CLOSE_GOING_AWAY, CLOSE_PROTOCOL } from "../../protocol/close-codes.ts";
import { DEAD_PEER_MS, PING_INTERVAL_MS } from "../../protocol/limits.ts";
import { pathSegment } from "../../protocol/path.ts";
import { SUBPROTOCOL_V1 } from "../../protocol/v1.ts";
import { SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import type { Auth, ConnectionEnd } from "./state.ts";

/** The server and the agent that dials it. */
export interface DialTarget {
  endpoint: Endpoint;
  agentId: string;
  token: string;
  auth: Auth;
  /** What the X-Agent-… headers say. */
  about: { name: string; shell: string; distro: string | undefined };
}

/** The owner of a connection. Called in order; must not block or throw. */
export interface ConnectionHandler {
  /** @param isV2 rexec.v2 is spoken, and not v1 alone */
  opened(line: Line, isV2: boolean): void;
  /** A text frame. */
  text(frame: string): void;
  /** A binary frame, of rexec.v2; the bytes are the socket's. */
  binary(bytes: Uint8Array): void;
}

/** Limits of a connection, ms. */
export interface ConnectionTimes {
  dialMs: number;
  pingMs: number;
  deadMs: number;
  /** The same where rexec.v2 is spoken. */
  v2?: { pingMs: number; deadMs: number };
}

export const TIMES: ConnectionTimes = { dialMs: 20_000, pingMs: PING_INTERVAL_MS, deadMs: DEAD_PEER_MS };
export const V2_LIVENESS = LIVENESS_V2;
/** Output is handed to a socket of rexec.v2 while it holds less: what an interrupt has to wait for, bytes. */
const V2_HIGH_WATER = 128 * 1024;
/** Answers that may wait there: all channels may be asked for at once. */
const V2_MAX_CONTROL = 4096;
/** How long the server may take to answer our close, ms. */
const CLOSE_MS = 1_000;

/**
 * Dials, serves the connection until it ends, and tells how. Never rejects. When the signal aborts the connection is
 * closed with 1001 and the signal's reason, where that is a text, or given up where it was not open yet.
 */
export async function runConnection(
  target: DialTarget,
  handler: ConnectionHandler,
  signal: AbortSignal,
  times: ConnectionTimes = TIMES,
): Promise<ConnectionEnd> {
  const url = agentUrl(target);
  const dial = dialOptions(target.endpoint, url);
  const webSocket = new WebSocket(url.href, {
    headers: headersOf(target),
    protocols: [SUBPROTOCOL_V2, SUBPROTOCOL_V1],
    perMessageDeflate: false, // keystrokes don't shrink, and it costs latency and memory
    ...dial,
  });
  webSocket.binaryType = "arraybuffer";
  const socket = new LinkSocket(webSocket, { v1: times, v2: times.v2 ?? V2_LIVENESS });
  let isOpen = false;
  let failure: unknown = null;
  let ours: ConnectionEnd | null = null;
  webSocket.addEventListener("error", (event) => {
    failure = event.error ?? event.message;
  });
  const dialTimer = setTimeout(() => {
    ours ??= { kind: "unreachable", reason: `${url.host} did not answer within ${times.dialMs / 1000} s` };
    socket.drop("no answer");
  }, times.dialMs);
  const stop = () => {
    if (isOpen) void socket.finish(CLOSE_MS, CLOSE_GOING_AWAY, textOr(signal.reason, "the agent stops"));
    else socket.drop("the agent stops");
  };
  webSocket.addEventListener("open", () => {
    isOpen = true;
    clearTimeout(dialTimer);
    const { line, onPong } = lineOf(socket, (end) => {
      ours ??= end;
    });
    handler.opened(line, socket.speaksV2);
    socket.listen({
      onText: (text) => handler.text(text),
      onBytes: (bytes) => handler.binary(bytes),
      ...(onPong ? { onPong } : {}),
    });
  });
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const { code, reason, isDropped } = await socket.closed;
  clearTimeout(dialTimer);
  signal.removeEventListener("abort", stop);
  if (ours) return ours;
  if (!isOpen) return failedDial(failure, url, dial.proxy);
  return isDropped ? { kind: "dropped", reason } : { kind: "closed", code, reason };
}

// --- internal ---

/** The connection as the sender has it; on rexec.v2 with a measure of what is on its way. */
function lineOf(socket: LinkSocket, onEnd: (end: ConnectionEnd) => void) {
  const gauge = socket.speaksV2 ? new PingGauge((id) => socket.ping(id)) : null;
  const line: Line = {
    send(frame) {
      socket.send(frame);
      gauge?.sent(frame.length);
    },
    get buffered() {
      return socket.buffered;
    },
    drop: (reason) => socket.drop(reason),
    fail(reason, code = CLOSE_PROTOCOL) {
      onEnd({ kind: "dropped", reason: `the server broke the protocol: ${reason}` });
      // Not at once: the server is to hear why, and the word of it stands behind what waits in the socket.
      void socket.finish(CLOSE_MS, code, reason.slice(0, 100));
    },
    ...(gauge ? { highWater: V2_HIGH_WATER, maxControl: V2_MAX_CONTROL } : {}),
    get takesOutput() {
      return gauge?.hasRoom ?? true;
    },
    get isSlow() {
      return gauge?.isSlow ?? false;
    },
  };
  const onPong = (id: string) => {
    gauge?.answered(id);
    line.onRoom?.();
  };
  return { line, onPong: gauge ? onPong : undefined };
}

function agentUrl({ endpoint, agentId, auth, token }: DialTarget): URL {
  const url = wsUrl(endpoint, `/ws/agent/${pathSegment(agentId)}`);
  if (auth === "query") url.searchParams.set("token", token);
  return url;
}

function headersOf({ auth, token, about }: DialTarget): Record<string, string> {
  return {
    ...(auth === "header" ? { Authorization: `Bearer ${token}` } : {}),
    "X-Agent-Name": headerValue(about.name),
    "X-Agent-OS": goOs(),
    "X-Agent-Arch": goArch(),
    "X-Agent-Shell": headerValue(about.shell),
    ...(about.distro ? { "X-Agent-Distro": headerValue(about.distro) } : {}),
  };
}

/** UTF-8 bytes as they are, which is what Go's agents send and its servers read; without control characters. */
function headerValue(text: string): string {
  return Buffer.from(text.replace(/[\u0000-\u001f\u007f]+/g, " ").trim(), "utf8").toString("latin1");
}

/** Bun tells the status of a refused upgrade only in the text (1.4.5; a test watches over it). */
function failedDial(failure: unknown, url: URL, proxy: string | undefined): ConnectionEnd {
  const status = /Expected 101 status code: (\d{3})/.exec(messageOf(failure ?? ""))?.[1];
  if (status) return { kind: "refused", status: Number(status) };
  const { message, hint } = connectionError(failure ?? "the connection failed", withoutToken(url), proxy);
  return { kind: "unreachable", reason: hint ? `${message} (${hint})` : message };
}

function withoutToken(url: URL): URL {
  const bare = new URL(url);
  bare.search = "";
  return bare;
}

function textOr(reason: unknown, otherwise: string): string {
  return typeof reason === "string" ? reason : otherwise;
}
