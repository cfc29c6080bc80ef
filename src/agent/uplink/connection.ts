/** One WebSocket connection to the server, from the dial to its end. What it says and how it ends goes to a handler. */

import { messageOf } from "../../lib/errors.ts";
import { connectionError } from "../../lib/http.ts";
import { dialOptions, type Endpoint, wsUrl } from "../../lib/net.ts";
import { goArch, goOs } from "../../lib/platform.ts";
import { LivenessWatch } from "../../link/liveness.ts";
import { PingGauge } from "../../link/ping-gauge.ts";
import type { Line } from "../../link/sender.ts";
import { CLOSE_GOING_AWAY, CLOSE_PROTOCOL } from "../../protocol/close-codes.ts";
import { DEAD_PEER_MS, PING_INTERVAL_MS } from "../../protocol/limits.ts";
import { pathSegment } from "../../protocol/path.ts";
import { SUBPROTOCOL_V1 } from "../../protocol/v1.ts";
import { SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import type { Auth, ConnectionEnd } from "./state.ts";

export interface DialTarget {
  endpoint: Endpoint;
  agentId: string;
  token: string;
  auth: Auth;
  /** What the X-Agent-… headers say. */
  about: { name: string; shell: string; distro: string | undefined };
}

export interface ConnectionHandler {
  /** @param isV2 rexec.v2 is spoken, and not v1 alone */
  opened(line: Line, isV2: boolean): void;
  /** A text frame. */
  text(frame: string): void;
  /** A binary frame, of rexec.v2; the bytes are the socket's. */
  binary(bytes: Uint8Array): void;
}

export interface ConnectionTimes {
  dialMs: number;
  pingMs: number;
  deadMs: number;
  /** The same where rexec.v2 is spoken. */
  v2?: { pingMs: number; deadMs: number };
}

export const TIMES: ConnectionTimes = { dialMs: 20_000, pingMs: PING_INTERVAL_MS, deadMs: DEAD_PEER_MS };
/** On a server of rexec.v2, where resuming costs nothing, ms. */
export const V2_LIVENESS = { pingMs: 3_000, deadMs: 8_000 } as const;
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
export function runConnection(
  target: DialTarget,
  handler: ConnectionHandler,
  signal: AbortSignal,
  times: ConnectionTimes = TIMES,
): Promise<ConnectionEnd> {
  return new Promise((resolve) => {
    const url = agentUrl(target);
    const socket = new WebSocket(url.href, {
      headers: headersOf(target),
      protocols: [SUBPROTOCOL_V2, SUBPROTOCOL_V1],
      perMessageDeflate: false, // keystrokes don't shrink, and it costs latency and memory
      ...dialOptions(target.endpoint, url),
    });
    socket.binaryType = "arraybuffer";
    let isOpen = false;
    let failure: unknown = null;
    let ours: ConnectionEnd | null = null;
    const end = (why: ConnectionEnd) => {
      ours ??= why;
      socket.terminate();
    };
    const dialTimer = setTimeout(() => {
      end({ kind: "unreachable", reason: `${url.host} did not answer within ${times.dialMs / 1000} s` });
    }, times.dialMs);
    const watch = (isV2: boolean) => {
      const { pingMs, deadMs } = isV2 ? (times.v2 ?? V2_LIVENESS) : times;
      const dead = (ms: number) =>
        end({ kind: "dropped", reason: `the server said nothing for ${Math.round(ms / 1000)} s` });
      return new LivenessWatch({ pingMs, deadMs }, { ping: () => socket.ping(), dead });
    };
    let liveness: LivenessWatch | null = null;
    let pong = (_: unknown) => {};
    const stop = () =>
      closeGently(socket, isOpen, CLOSE_GOING_AWAY, textOr(signal.reason, "the agent stops"));

    socket.addEventListener("open", () => {
      isOpen = true;
      clearTimeout(dialTimer);
      const isV2 = socket.protocol === SUBPROTOCOL_V2;
      liveness = watch(isV2);
      const gauge = isV2 ? new PingGauge((id) => socket.ping(id)) : null;
      const line: Line = {
        send(frame) {
          socket.send(frame);
          gauge?.sent(frame.length);
        },
        get buffered() {
          return socket.bufferedAmount;
        },
        drop: (reason) => end({ kind: "dropped", reason }),
        fail: (reason, code = CLOSE_PROTOCOL) => {
          ours ??= { kind: "dropped", reason: `the server broke the protocol: ${reason}` };
          closeGently(socket, true, code, reason.slice(0, 100));
        },
        ...(isV2 ? { highWater: V2_HIGH_WATER, maxControl: V2_MAX_CONTROL } : {}),
        get takesOutput() {
          return gauge?.hasRoom ?? true;
        },
        get isSlow() {
          return gauge?.isSlow ?? false;
        },
      };
      pong = (data) => {
        if (!gauge || !(data instanceof ArrayBuffer) || data.byteLength === 0) return;
        gauge.answered(new TextDecoder().decode(data));
        line.onRoom?.();
      };
      handler.opened(line, isV2);
    });
    socket.addEventListener("message", ({ data }) => {
      liveness?.heard();
      if (typeof data === "string") handler.text(data);
      else if (data instanceof ArrayBuffer) handler.binary(new Uint8Array(data));
    });
    socket.addEventListener("ping", () => liveness?.heard());
    socket.addEventListener("pong", ({ data }) => {
      liveness?.heard();
      pong(data);
    });
    socket.addEventListener("error", (event) => {
      failure = event.error ?? event.message;
    });
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(dialTimer);
      liveness?.stop();
      signal.removeEventListener("abort", stop);
      const { proxy } = dialOptions(target.endpoint, url);
      resolve(ours ?? (isOpen ? { kind: "closed", code, reason } : failedDial(failure, url, proxy)));
    });
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
}

// --- internal ---

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

function closeGently(socket: WebSocket, isOpen: boolean, code: number, reason: string): void {
  if (!isOpen) {
    socket.terminate();
    return;
  }
  socket.close(code, reason);
  setTimeout(() => socket.terminate(), CLOSE_MS).unref();
}
