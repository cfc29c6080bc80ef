/** Keeps the connection to the server, for ever: dial, serve, wait, again; until it is told to stop or refused for good. */
import { type Clock, systemClock } from "../../lib/clock.ts";
import type { RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Line } from "../../link/sender.ts";
import type { Credential } from "../config/credential.ts";
import {
  type ConnectionHandler,
  type ConnectionTimes,
  type DialTarget,
  runConnection,
  TIMES,
} from "./connection.ts";
import { Pause } from "./pause.ts";
import {
  type Auth,
  dialMs,
  INITIAL,
  transition,
  type UplinkContext,
  type UplinkEvent,
  type UplinkState,
} from "./state.ts";

/** What an uplink needs of the agent that owns it. Times in ms. */
export interface UplinkOptions {
  target: Omit<DialTarget, "auth" | "token">;
  credential: Credential;
  handler: ConnectionHandler & { closed(): void };
  logger: Logger;
  /** Ends it; the open connection is closed with 1001. */
  signal: AbortSignal;
  /** Takes the connection down for a while. */
  pause?: Pause;
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
  const {
    target,
    credential,
    handler,
    logger,
    signal,
    pause = new Pause(),
    clock = systemClock,
    times = TIMES,
    onState,
  } = options;
  const host = target.endpoint.base.host;
  const context = (): UplinkContext => ({
    ...options.context,
    subject: {
      host: target.endpoint.base.origin,
      agentId: target.agentId,
      token: credential.token,
      name: target.about.name,
    },
  });
  let state: UplinkState = INITIAL;
  const enter = (next: UplinkState) => {
    state = next;
    onState?.(state);
    return state;
  };
  const go = (event: UplinkEvent) => enter(transition(state, event, context()));
  onState?.(state);
  let wasPending = false;
  for (;;) {
    if (signal.aborted) go({ type: "stop" });
    const { phase } = current(state);
    if (phase === "stopped") return finish(state);
    if (phase === "dialling")
      logger[wasPending ? "debug" : "info"](
        `connecting to ${host} as "${target.about.name}" (${target.agentId})`,
      );
    const dialled = clock.now();
    let open = false;
    const opened = (line: Line, isV2: boolean) => {
      open = true;
      // Before the state: a caller that waits for it may read the log at once.
      logger.info(`connected to ${host}${isV2 ? " (rexec.v2)" : ""}`);
      go({ type: "opened", at: clock.now(), tookMs: clock.now() - dialled });
      credential.accepted();
      handler.opened(line, isV2);
    };
    let served = false;
    const binary = (bytes: Uint8Array) => {
      served = true;
      handler.binary(bytes);
    };
    using turn = new Turn(signal, credential, pause);
    const end = await runConnection(
      { ...target, token: credential.token, auth: authOf(state) },
      { text: (frame) => handler.text(frame), binary, opened },
      turn.signal,
      { ...times, dialMs: dialMs(state, clock.now()) ?? times.dialMs },
    );
    handler.closed();
    if (signal.aborted) continue;
    const at = clock.now();
    const renew = () => go({ type: "renewed", at: clock.now(), served });
    if (pause.isOn) {
      await pause.passed();
      renew();
      continue;
    }
    if (turn.renewed) {
      logger.info("connecting anew, with another token");
      renew();
      continue;
    }
    const next = transition(
      state,
      { type: "ended", end, at, served, ...(open ? {} : { tookMs: at - dialled }) },
      context(),
    );
    if (next.phase === "stopped" && next.error && credential.refused(next.error)) {
      logger.warn(`${next.error.message}; going on with the token of before`);
      renew();
      continue;
    }
    enter(next);
    if (next.phase !== "waiting") continue;
    // Every few seconds, for days perhaps: told once.
    const isTold = wasPending && next.isPending === true;
    wasPending = next.isPending === true;
    const seconds =
      next.delayMs < 10_000 ? (next.delayMs / 1000).toFixed(1) : Math.round(next.delayMs / 1000);
    const line = next.delayMs > 0 ? `${next.reason}; next try in ${seconds} s` : next.reason;
    logger[isTold ? "debug" : "warn"](next.isPending ? next.reason : line);
    await clock.sleep(next.delayMs, turn.signal);
    const wasPaused = pause.isOn;
    await pause.passed();
    if (turn.renewed || wasPaused) renew();
    else go({ type: "waited" });
  }
}

// --- internal ---

/** One connection and the wait after it: over with the uplink, or when another token comes. */
class Turn implements Disposable {
  readonly #ends = new AbortController();
  readonly #whole: AbortSignal;
  readonly #end = () => this.#ends.abort("the agent stops");
  renewed = false;

  constructor(whole: AbortSignal, credential: Credential, pause: Pause) {
    this.#whole = whole;
    if (whole.aborted) this.#end();
    else whole.addEventListener("abort", this.#end, { once: true });
    credential.onReplace = () => {
      this.renewed = true;
      this.#ends.abort("the agent connects anew");
    };
    pause.onBegin = (reason) => this.#ends.abort(reason);
  }

  /** Its reason is for the server. */
  get signal(): AbortSignal {
    return this.#ends.signal;
  }

  [Symbol.dispose](): void {
    this.#whole.removeEventListener("abort", this.#end);
  }
}

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
