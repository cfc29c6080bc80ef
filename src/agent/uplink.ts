/** Keeps the connection to the server, for ever: dial, serve, wait, again; until it is told to stop or refused for good. */
import { type Clock, systemClock } from "../lib/clock.ts";
import type { RexecError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import {
  type ConnectionHandler,
  type ConnectionTimes,
  type DialTarget,
  runConnection,
  TIMES,
} from "./connection.ts";
import type { Line } from "./outbox.ts";
import {
  type Auth,
  dialMs,
  INITIAL,
  transition,
  type UplinkContext,
  type UplinkState,
} from "./uplink-state.ts";

export interface UplinkOptions {
  target: Omit<DialTarget, "auth">;
  handler: ConnectionHandler & { closed(): void };
  logger: Logger;
  /** Ends it; the open connection is closed with 1001. */
  signal: AbortSignal;
  clock?: Clock;
  times?: ConnectionTimes;
  context?: Omit<UplinkContext, "subject">;
  /** Told of every state. */
  onState?(state: UplinkState): void;
}

/**
 * Resolves after the signal.
 * @throws RexecError where the server's refusal is final (exit code 4)
 */
export async function runUplink(options: UplinkOptions): Promise<void> {
  const { target, handler, logger, signal, clock = systemClock, times = TIMES, onState } = options;
  const host = target.endpoint.base.host;
  const context: UplinkContext = {
    ...options.context,
    subject: { host: target.endpoint.base.origin, agentId: target.agentId, token: target.token },
  };
  let state: UplinkState = INITIAL;
  const go = (event: Parameters<typeof transition>[1]) => {
    state = transition(state, event, context);
    onState?.(state);
    return state;
  };
  onState?.(state);
  for (;;) {
    if (signal.aborted) go({ type: "stop" });
    const { phase } = current(state);
    if (phase === "stopped") return finish(state);
    if (phase === "dialling")
      logger.info(`connecting to ${host} as "${target.about.name}" (${target.agentId})`);
    const dialled = clock.now();
    let open = false;
    const opened = (line: Line, isV2: boolean) => {
      open = true;
      go({ type: "opened", at: clock.now(), tookMs: clock.now() - dialled });
      logger.info(`connected to ${host}${isV2 ? " (rexec.v2)" : ""}`);
      handler.opened(line, isV2);
    };
    let served = false;
    const binary = (bytes: Uint8Array) => {
      served = true;
      handler.binary(bytes);
    };
    const end = await runConnection(
      { ...target, auth: authOf(state) },
      { text: (frame) => handler.text(frame), binary, opened },
      signal,
      { ...times, dialMs: dialMs(state, clock.now()) ?? times.dialMs },
    );
    handler.closed();
    if (signal.aborted) continue;
    const at = clock.now();
    const next = go({ type: "ended", end, at, served, ...(open ? {} : { tookMs: at - dialled }) });
    if (next.phase !== "waiting") continue;
    const seconds =
      next.delayMs < 10_000 ? (next.delayMs / 1000).toFixed(1) : Math.round(next.delayMs / 1000);
    logger.warn(next.delayMs > 0 ? `${next.reason}; next try in ${seconds} s` : next.reason);
    await clock.sleep(next.delayMs, signal);
    go({ type: "waited" });
  }
}

// --- internal ---

/** Past the compiler's narrowing: `state` changes in a callback. */
function current(state: UplinkState): UplinkState {
  return state;
}

function authOf(state: UplinkState): Auth {
  return state.phase === "stopped" ? "header" : state.auth;
}

function finish(state: UplinkState): void {
  const error: RexecError | null = state.phase === "stopped" ? state.error : null;
  if (error) throw error;
}
