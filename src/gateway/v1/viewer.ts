/** One viewer: a connection, the session it looks at, and what it could not take. */
import { CLOSE_POLICY } from "../../protocol/close-codes.ts";
import type { ExecResult } from "../../protocol/v1.ts";
import { encodeToViewer } from "../../protocol/v1-viewer.ts";
import type { Stay } from "../audit/room-audit.ts";
import type { InputRefusal } from "../sessions/control.ts";
import type { Connection } from "../sockets/connection.ts";
import type { Timings } from "../timings.ts";
import { LOW_BYTES, SKIP_BYTES, skipMarker } from "./flow.ts";

/** Columns and rows, each at least 1. */
export interface TerminalSize {
  cols: number;
  rows: number;
}

/** Owned by the adapter, for one connection of the viewer. Buffers in bytes. */
export class Viewer {
  /** The client's own id for this tab or pane. */
  readonly id: string;
  readonly connection: Connection;
  /** Null for a viewer that only runs commands. */
  sessionId: string | null = null;
  /** What its terminal measures; null until it said so. */
  size: TerminalSize | null = null;
  /** It has attached and not yet been told that the shell runs. */
  awaitsStart = false;
  /** Why its input is dropped, where it was told so. */
  told: InputRefusal | null = null;
  /** Tells the audit log that it left its session. */
  left: ((stay: Stay) => void) | null = null;
  /** Bytes that it typed, and of output that it was sent. */
  readonly passed = { bytes_in: 0, bytes_out: 0 };
  /** Commands that it waits for. */
  pendingExecs = 0;
  readonly #timings: Timings;
  #skippedBytes = 0;
  #skipping = false;
  #sent = 0;
  #taken = 0;
  #tookAt = performance.now();

  constructor(id: string, connection: Connection, timings: Timings) {
    this.id = id;
    this.connection = connection;
    this.#timings = timings;
  }

  get buffered(): number {
    return this.connection.buffered;
  }

  /** It waits for something from the agent: output or a command's result. */
  get isWatching(): boolean {
    return this.sessionId !== null || this.pendingExecs > 0;
  }

  send(frame: string): void {
    if (this.buffered === 0) this.#tookAt = performance.now();
    this.#sent += frame.length;
    this.connection.send(frame);
  }

  /**
   * A frame of output; see `flow.ts` for when it is skipped.
   * @param bytes size of the output in it, as the shell wrote it
   * @param othersAreFast the agent is read on whatever becomes of this viewer
   */
  sendOutput(frame: string, bytes: number, othersAreFast: boolean): void {
    this.#skipping ||= othersAreFast && this.buffered > SKIP_BYTES;
    this.passed.bytes_out += bytes;
    if (this.#skipping) this.#skippedBytes += bytes;
    else this.send(frame);
  }

  /** What may be left out at will, such as statistics. */
  sendOptional(frame: string): void {
    if (this.buffered === 0) this.send(frame);
  }

  /** What it asked for and can do without: not sent to one that does not read. */
  answer(frame: string): void {
    if (this.connection.reads) this.send(frame);
    this.connection.pauseUntilRead();
  }

  /** The result of a command that was not run: takes no place, so it is the viewer that has to wait. */
  refuse(result: ExecResult): void {
    this.sendResult(result);
    this.connection.pauseUntilRead();
  }

  /** A command's result: up to 160 MiB, so one at a time waits in the buffer, and a further one comes without its output. */
  sendResult(result: ExecResult): void {
    this.send(encodeToViewer.execResult(this.buffered > SKIP_BYTES ? withoutOutput(result) : result));
  }

  /** To be called when the socket drained, and now and then: ends a skip, closes who takes nothing. */
  check(now: number): void {
    const { buffered } = this;
    if (this.#skipping && buffered <= LOW_BYTES) {
      const marker = skipMarker(this.#skippedBytes);
      this.#skipping = false;
      this.#skippedBytes = 0;
      this.send(encodeToViewer.output(marker));
    }
    const taken = this.#sent - buffered;
    if (buffered === 0 || taken > this.#taken) {
      this.#taken = taken;
      this.#tookAt = now;
    } else if (now - this.#tookAt > this.#timings.viewerStallMs) {
      const seconds = Math.round(this.#timings.viewerStallMs / 1000);
      this.connection.close(CLOSE_POLICY, `took no output for ${seconds} s`);
    }
  }
}

// --- internal ---

function withoutOutput(result: ExecResult): ExecResult {
  const { stdout: _stdout, stderr: _stderr, ...rest } = result;
  const error = "the output was dropped: this connection had not taken the one before it";
  return { ...rest, output: "", truncated: true, success: false, error };
}
