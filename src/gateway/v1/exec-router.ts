/**
 * Brings each command's result to the viewer that asked. On the way to the agent every command gets an id of the
 * gateway's, so that the ids of two viewers cannot collide; an agent that knows no ids (v1) answers with the command,
 * and the oldest one that reads the same is meant.
 */
import type { ExecRequest, ExecRequestWire, ExecResult } from "../../protocol/v1.ts";
import type { RunAudit, RunEnd } from "../audit/run-audit.ts";
import type { RunRecordings } from "../sessions/run-recordings.ts";
import type { Viewer } from "./viewer.ts";

/** Commands on one agent that have not been answered. */
const MAX_PENDING = 256;
/** Of one viewer. */
const MAX_PENDING_OF_VIEWER = 64;

interface Pending {
  /** Null once the viewer left: the place in the queue stays, or an id-less result would go to the next one. */
  viewer: Viewer | null;
  /** The viewer's own id for it. */
  id: string | undefined;
  command: string;
  timer: Timer | null;
}

/** Owned by the adapter. A command that is not answered in time fails. */
export class ExecRouter {
  readonly #graceMs: number;
  readonly #audit: RunAudit;
  readonly #recordings: RunRecordings;
  /** By our id, oldest first. */
  readonly #pending = new Map<string, Pending>();

  constructor(graceMs: number, audit: RunAudit, recordings: RunRecordings) {
    this.#graceMs = graceMs;
    this.#audit = audit;
    this.#recordings = recordings;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** The request for the agent, or null where there are too many: the viewer has been told. */
  submit(viewer: Viewer, request: ExecRequest): ExecRequestWire | null {
    const { id, command, stdin, ...rest } = request;
    if (this.#pending.size >= MAX_PENDING) this.#dropAbandoned();
    if (viewer.pendingExecs >= MAX_PENDING_OF_VIEWER || this.#pending.size >= MAX_PENDING) {
      viewer.refuse(failure(command, id, "too many commands are running on this agent: wait for one to end"));
      return null;
    }
    const ourId = crypto.randomUUID();
    this.#pending.set(ourId, { viewer, id, command, timer: this.#expiry(ourId, request.timeout_ms) });
    viewer.pendingExecs += 1;
    this.#audit.opened(viewer.connection.info, { run: ourId, ...request });
    this.#recordings.opened(viewer.connection.info, { run: ourId, command });
    return { ...rest, command, id: ourId, ...(stdin ? { stdin: stdin.toBase64() } : {}) };
  }

  /** A result from the agent. @returns false where no viewer asked for it */
  settle(result: ExecResult): boolean {
    const ourId = result.id ?? this.#oldest(result.command);
    const pending = ourId === undefined ? undefined : this.#take(ourId);
    if (!pending || ourId === undefined) return false;
    this.#audit.ended(ourId, endOf(result));
    this.#recorded(ourId, result);
    if (pending.id !== undefined) {
      pending.viewer?.sendResult({ ...result, id: pending.id });
      return true;
    }
    // Streams apart were not asked for: `output` has the same.
    const { id: _id, stdout: _stdout, stderr: _stderr, ...plain } = result;
    pending.viewer?.sendResult(plain);
    return true;
  }

  /** Its results go nowhere from now on. */
  viewerLeft(viewer: Viewer): void {
    for (const pending of this.#pending.values()) if (pending.viewer === viewer) pending.viewer = null;
    viewer.pendingExecs = 0;
  }

  /** Nothing of what is pending will be answered. */
  failAll(error: string): void {
    for (const [ourId] of [...this.#pending]) this.#fail(ourId, error);
  }

  // --- internal ---

  /** What it printed: apart, or as one where the agent keeps no two streams. */
  #recorded(run: string, { output, stdout, stderr, exit_code, signal }: ExecResult): void {
    if (!this.#recordings.has(run)) return;
    const apart = stdout !== undefined || stderr !== undefined;
    const first = apart ? Buffer.from(stdout ?? "", "base64") : Buffer.from(output);
    const second = Buffer.from(stderr ?? "", "base64");
    this.#recordings.result(
      run,
      [
        ["o", first],
        ["e", second],
      ],
      { exit_code, signal },
    );
  }

  #expiry(ourId: string, timeoutMs: number | undefined): Timer | null {
    if (timeoutMs === undefined) return null;
    // setTimeout knows 31 bits.
    const ms = Math.min(timeoutMs + this.#graceMs, 2 ** 31 - 1);
    return setTimeout(
      () => this.#fail(ourId, `the agent did not answer within ${timeoutMs / 1000} s`, true),
      ms,
    );
  }

  #oldest(command: string): string | undefined {
    for (const [ourId, pending] of this.#pending) if (pending.command === command) return ourId;
    return undefined;
  }

  #take(ourId: string): Pending | undefined {
    const pending = this.#pending.get(ourId);
    if (!pending) return undefined;
    this.#pending.delete(ourId);
    if (pending.timer) clearTimeout(pending.timer);
    if (pending.viewer) pending.viewer.pendingExecs -= 1;
    return pending;
  }

  #fail(ourId: string, error: string, timedOut = false): void {
    const pending = this.#take(ourId);
    if (!pending) return;
    this.#audit.ended(ourId, { outcome: timedOut ? "silent" : "failed", reason: error });
    this.#recordings.ended(ourId, {});
    pending.viewer?.sendResult({
      ...failure(pending.command, pending.id, error),
      ...(timedOut ? { timed_out: true } : {}),
    });
  }

  #dropAbandoned(): void {
    for (const [ourId, pending] of this.#pending) {
      if (pending.viewer) continue;
      this.#take(ourId);
      this.#audit.ended(ourId, { outcome: "abandoned" });
      this.#recordings.ended(ourId, {});
    }
  }
}

/** The result of a command of which nothing is known. */
export function failure(command: string, id: string | undefined, error: string): ExecResult {
  return { command, output: "", success: false, error, exit_code: null, ...(id === undefined ? {} : { id }) };
}

// --- internal ---

/** An agent that speaks plain v1 tells of no exit code. */
function endOf({ success, exit_code, signal, timed_out }: ExecResult): RunEnd {
  const known = exit_code === undefined ? {} : { exit_code };
  return { success, ...known, ...(signal ? { signal } : {}), ...(timed_out ? { timed_out } : {}) };
}
