/** One connection after the other, for as long as a shell or a command goes on: dialled, used, lost, and dialled again. */
import { type BackoffOptions, backoffDelay } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { dialLimit, pauseLeft } from "../lib/dialing.ts";
import { ExitCode, messageOf, RexecError } from "../lib/errors.ts";
import type { LinkSocket, SocketClose } from "../link/socket.ts";
import {
  CLOSE_DELETED,
  CLOSE_KICKED,
  CLOSE_VIEWER_REPLACED,
  REASON_ACCESS_ENDED,
  REASON_KICKED,
  tokenEnd,
} from "../protocol/close-codes.ts";
import { isFinal, openViewer, type ViewerTarget } from "./viewer.ts";

/** An outage shorter than this is not worth a word, ms. */
export const NOTICED_AFTER_MS = 1_500;

/** The connection was lost, or none could be made. */
export interface Lost {
  kind: "lost";
  reason: string;
}

/** How one connection ended; `end` is the result of the shell or command. */
export type Step<T> = { kind: "ended"; end: T } | { kind: "left" } | Lost;

/** A shell or a command on one connection. `keepConnected` owns it, and disposes of it with the connection. */
export interface Conversation<T> {
  /** Resolves once either side ends it; rejects with what makes another try useless. */
  readonly ended: Promise<Step<T>>;
  begin(): void;
  /** What a closed connection means. @throws RexecError where another try is useless */
  closed(close: SocketClose): Step<T>;
  /** It has ended: resolves once all of its output is written. */
  finish(): Promise<void>;
  /** Leaves on purpose, so that nothing is held for this viewer. */
  leave(): Promise<void>;
  dispose(): void;
}

/** How often a lost connection is tried again. */
export interface RetryTimes extends BackoffOptions {
  /** Ceiling of delays once the outage has lasted two minutes, ms. */
  laterCapMs: number;
  /** Nothing is lost with the connection: most tries are short, and a short outage is not told. */
  isResumable: boolean;
}

/** Of rexec.v2: a line that comes back within two minutes is noticed within a second. */
export const RESUMING: RetryTimes = {
  baseMs: 250,
  capMs: 1_000,
  laterCapMs: 5_000,
  healthyAfterMs: 0,
  isResumable: true,
};

/** What `keepConnected` keeps going. */
export interface Kept<T> {
  target: ViewerTarget;
  subprotocol: string;
  times: RetryTimes;
  clock: Clock;
  /** Aborted when the user leaves. */
  signal: AbortSignal;
  /** @param attached to be called once it goes on; returns whether the outage was told */
  converse(connection: LinkSocket, attached: () => boolean): Conversation<T>;
  /** Called at each failed try, before the next; throws where that is useless. */
  onLost?(reason: string, outageMs: number): void;
  status(status: { kind: "lost"; reason: string; retryInMs: number } | { kind: "reconnected" }): void;
}

/**
 * @param first open already
 * @returns null where the user left
 * @throws what `ended`, `closed` and `onLost` do, or as `openViewer` where another try is useless
 */
export async function keepConnected<T>(first: LinkSocket, kept: Kept<T>): Promise<{ end: T } | null> {
  const { clock, signal, times, status } = kept;
  const retry = new Retry(times);
  let told = false;
  const attached = () => {
    const wasTold = told;
    told = false;
    retry.attached(clock.now());
    if (wasTold) status({ kind: "reconnected" });
    return wasTold;
  };
  for (let connection: LinkSocket | null = first; ; connection = null) {
    const step = await serve(connection, kept, retry, attached);
    if (step.kind === "left") return null;
    if (step.kind === "ended") return step;
    const now = clock.now();
    const retryInMs = retry.next(now);
    const outageMs = now - retry.lostAt;
    kept.onLost?.(step.reason, outageMs);
    if (!times.isResumable || (!told && outageMs > NOTICED_AFTER_MS)) {
      told = true;
      status({ kind: "lost", reason: step.reason, retryInMs });
    }
    await clock.sleep(retryInMs, signal);
  }
}

/** A closed connection. @throws RexecError `viewer_replaced`, `agent_deleted`, `access_ended`, `kicked`, `token_revoked`, `token_expired` */
export function lostBy({ code, reason }: SocketClose): Lost {
  if (code === CLOSE_VIEWER_REPLACED) {
    throw new RexecError("this session was taken over by another connection", { code: "viewer_replaced" });
  }
  if (code === CLOSE_KICKED) {
    throw new RexecError(reason || REASON_KICKED, { code: "kicked", exitCode: ExitCode.rejected });
  }
  if (code === CLOSE_DELETED) {
    const end = tokenEnd(reason);
    if (end) {
      throw new RexecError(`the token ${end === "revoked" ? "was revoked" : "expired"}`, {
        code: `token_${end}`,
        hint: "log in with another one: rexec login (or set REXEC_TOKEN)",
        exitCode: ExitCode.rejected,
      });
    }
    if (reason === REASON_ACCESS_ENDED) {
      throw new RexecError("your right to this agent was taken away", {
        code: "access_ended",
        hint: "ask an administrator of the gateway, or the owner of the agent",
        exitCode: ExitCode.rejected,
      });
    }
    throw new RexecError("the agent was removed", {
      code: "agent_deleted",
      hint: "rexec ls shows what is left; rexec whoami checks the login",
      exitCode: ExitCode.rejected,
    });
  }
  return { kind: "lost", reason: reason || `connection closed (${code})` };
}

// --- internal ---

async function serve<T>(
  open: LinkSocket | null,
  kept: Kept<T>,
  retry: Retry,
  attached: () => boolean,
): Promise<Step<T>> {
  const { target, subprotocol, signal, clock } = kept;
  let connection = open;
  try {
    if (!connection) {
      const openMs = retry.dial(clock.now());
      connection = await openViewer(target, signal, { protocols: [subprotocol], openMs });
      retry.opened(clock.now());
    }
  } catch (error) {
    if (signal.aborted) return { kind: "left" };
    if (isFinal(error)) throw error;
    return { kind: "lost", reason: messageOf(error) };
  }
  const leaving = Promise.withResolvers<Step<T>>();
  const leave = () => leaving.resolve({ kind: "left" });
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  let conversation: Conversation<T> | null = null;
  try {
    const current = kept.converse(connection, attached);
    conversation = current;
    current.begin();
    const closed = connection.closed.then((close) => current.closed(close));
    const step = await Promise.race([current.ended, closed, leaving.promise]);
    if (step.kind === "ended") await current.finish();
    else if (step.kind === "left") await current.leave();
    return step;
  } finally {
    signal.removeEventListener("abort", leave);
    conversation?.dispose();
    connection.close();
  }
}

/** After so long an outage the delays have their later ceiling. */
const PATIENT_MS = 120_000;

/** When to try again, and how long a try may take. */
class Retry {
  readonly #times: RetryTimes;
  #attempt = 0;
  #attachedAt: number | null = null;
  #lostAt: number | null = null;
  /** When the try began that has come to nothing so far. */
  #dialledAt: number | null = null;
  #tookMs: number | null = null;

  constructor(times: RetryTimes) {
    this.#times = times;
  }

  /** When the connection was lost that is being made again. */
  get lostAt(): number {
    return this.#lostAt ?? Number.POSITIVE_INFINITY;
  }

  /** A try begins. @returns how long it may take, ms; undefined for the default */
  dial(nowMs: number): number | undefined {
    if (!this.#times.isResumable) return undefined;
    this.#dialledAt = nowMs;
    return dialLimit(this.#attempt, this.#tookMs);
  }

  /** The try came to something. */
  opened(nowMs: number): void {
    if (this.#dialledAt !== null) this.#tookMs = nowMs - this.#dialledAt;
    this.#dialledAt = null;
  }

  /** The next loss is a new one. */
  attached(nowMs: number): void {
    this.#attachedAt = nowMs;
    this.#lostAt = null;
  }

  /** The connection was lost, or a try failed. @returns how long to wait, ms */
  next(nowMs: number): number {
    const { baseMs, capMs, laterCapMs, healthyAfterMs } = this.#times;
    if (this.#attachedAt !== null && nowMs - this.#attachedAt >= healthyAfterMs) this.#attempt = 0;
    this.#attachedAt = null;
    this.#lostAt ??= nowMs;
    const isPatient = nowMs - this.#lostAt < PATIENT_MS;
    const ceilings = { baseMs, capMs: isPatient ? capMs : laterCapMs, healthyAfterMs };
    const delay = backoffDelay(ceilings, this.#attempt);
    this.#attempt += 1;
    return pauseLeft(delay, nowMs - (this.#dialledAt ?? nowMs));
  }
}
