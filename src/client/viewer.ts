/** Opens the viewer socket of an agent, in the best protocol that both ends know, or explains why it can't. */

import { constants } from "node:http2";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { connectionError, HttpError } from "../lib/http.ts";
import { dialOptions, wsUrl } from "../lib/net.ts";
import type { LivenessTimes } from "../link/liveness.ts";
import { LIVENESS_V2, LinkSocket, type SocketClose } from "../link/socket.ts";
import { pathSegment } from "../protocol/path.ts";
import { SUBPROTOCOL_V1 } from "../protocol/v1.ts";
import { viewerQuery } from "../protocol/v1-viewer.ts";
import { SUBPROTOCOL_V2 } from "../protocol/v2/frames.ts";
import { getAgent, type Server } from "./api.ts";
import { getSharedAgent } from "./shares.ts";

/** The viewer, and the agent that it is connected to. */
export interface ViewerTarget {
  server: Server;
  agentId: string;
  /** This viewer's own stable id: the same again replaces the earlier connection and keeps its session. */
  viewerId: string;
  newSession: boolean;
  execOnly?: boolean;
  /** By a share, which shows one session and lets ask for nothing else. */
  isShared?: boolean;
  /** Of rexec.v2. */
  liveness?: LivenessTimes | undefined;
}

/** How a viewer socket is opened. */
export interface OpenOptions {
  /** Best first; default: v2, then v1. */
  protocols?: readonly string[];
  /** Default 20 s. */
  openMs?: number | undefined;
}

/** In the order of preference. */
export const PROTOCOLS: readonly string[] = [SUBPROTOCOL_V2, SUBPROTOCOL_V1];

/**
 * Opens the socket. The caller listens and closes; the signal ends no more than the opening.
 * @throws HttpError (401, 403, 404: final), RexecError `agent_offline`, or as `connectionError`
 */
export async function openViewer(
  target: ViewerTarget,
  signal: AbortSignal,
  { protocols = PROTOCOLS, openMs = 20_000 }: OpenOptions = {},
): Promise<LinkSocket> {
  signal.throwIfAborted();
  const query = viewerQuery({ ...target, id: target.viewerId });
  const path = `/ws/agent/${pathSegment(target.agentId)}/terminal?${query}`;
  const url = wsUrl(target.server.endpoint, path);
  const socket = new WebSocket(url, {
    headers: { Authorization: `Bearer ${target.server.token}` },
    protocols: [...protocols],
    // Keystrokes do not shrink; time and memory do not come back.
    perMessageDeflate: false,
    ...dialOptions(target.server.endpoint, url),
  });
  socket.binaryType = "arraybuffer";
  const connection = new LinkSocket(socket, {
    v2: { ...(target.liveness ?? LIVENESS_V2), onlySilent: true },
  });
  const abort = () => connection.close();
  signal.addEventListener("abort", abort);
  const failure = await opened(socket, connection.closed, openMs);
  signal.removeEventListener("abort", abort);
  if (!failure && !signal.aborted) return connection;
  connection.close();
  signal.throwIfAborted();
  if (!failure || failure instanceof NoAnswer) throw connectionError(failure, url);
  throw await explain(target, failure, url, AbortSignal.any([signal, AbortSignal.timeout(openMs)]));
}

/** True where another try cannot help. */
export function isFinal(error: unknown): boolean {
  return error instanceof RexecError && error.exitCode !== ExitCode.failed;
}

// --- internal ---

/** A server that does not answer a handshake in time answers no question either. */
class NoAnswer extends Error {}

/** Resolves to null once open, or to what was said where it never opened. */
async function opened(
  socket: WebSocket,
  closed: Promise<SocketClose>,
  limitMs: number,
): Promise<Error | null> {
  const { promise, resolve } = Promise.withResolvers<Error | null>();
  const timer = setTimeout(() => resolve(new NoAnswer(`no answer within ${limitMs / 1000} s`)), limitMs);
  socket.addEventListener("open", () => resolve(null), { once: true });
  socket.addEventListener("error", (event) => resolve(new Error(event.message || "failed")), { once: true });
  void closed.then(({ code }) => resolve(new Error(`closed with ${code}`)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** The machine that is meant is not connected to its server. */
export function agentOffline(message: string): RexecError {
  return new RexecError(message, {
    code: "agent_offline",
    hint: "start its agent there: rexec-agent start",
  });
}

/** Bun tells a refused upgrade's status only in prose, so the API is asked: it knows the same refusals. */
async function explain(target: ViewerTarget, failure: Error, url: URL, signal: AbortSignal): Promise<Error> {
  try {
    const ask = target.isShared
      ? getSharedAgent(target.server, signal)
      : getAgent(target.server, target.agentId, signal);
    const agent = await ask;
    // It may have come in between the two calls.
    const cameBack = agent.status === "online" && /\b404\b/.test(failure.message);
    if (agent.status === "online" && !cameBack) return connectionError(failure, url);
    const state = cameBack
      ? "was offline a moment ago"
      : `is ${agent.status === "offline" ? "offline" : "not connected"}`;
    return agentOffline(`${agent.name} ${state}`);
  } catch (error) {
    if (error instanceof HttpError && error.status === constants.HTTP_STATUS_TOO_MANY_REQUESTS) {
      return connectionError(failure, url);
    }
    // Not even that was answered in time: what went wrong first says more.
    if (signal.aborted) return connectionError(failure, url);
    return error instanceof Error ? error : failure;
  }
}
