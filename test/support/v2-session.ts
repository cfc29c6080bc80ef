/** A session of a scripted gateway: streams of bytes that are kept in whole, input that is applied once. */

import type { SessionInfo } from "../../src/protocol/v2/control.ts";
import { ByteRing } from "../../src/stream/byte-ring.ts";
import { StreamReceiver } from "../../src/stream/stream.ts";

export interface V2End {
  exit_code: number | null;
  signal: string | null;
  timed_out?: boolean;
}

/** One reader of a session. */
export interface V2Reader {
  pump(): void;
}

export abstract class V2Session {
  readonly session: string;
  readonly instance = crypto.randomUUID();
  /** Of output (1) and stderr (2). */
  readonly rings: readonly [ByteRing, ByteRing];
  readonly readers = new Set<V2Reader>();
  readonly resizes: [number, number][] = [];
  readonly signals: string[] = [];
  end: V2End | null = null;
  /** Where output goes on: a snapshot stands for what was before. */
  picture: { bytes: Uint8Array; skipped: number /** Cuts the line there, once. */; cutAt?: number } | null =
    null;
  /** Each viewer's input so far. */
  readonly #inputs = new Map<string, StreamReceiver>();
  readonly #startedAt = Date.now();

  constructor(session: string, capacity: number) {
    this.session = session;
    this.rings = [new ByteRing(capacity), new ByteRing(capacity)];
  }

  abstract readonly kind: "shell" | "run";
  abstract readonly command: string;
  /** New input, each byte once. */
  abstract input(bytes: Uint8Array): void;
  abstract inputEnded(): void;
  abstract kill(): void;

  get info(): SessionInfo {
    const [ring] = this.rings;
    return {
      session: this.session,
      instance: this.instance,
      kind: this.kind,
      command: this.command,
      started_at: this.#startedAt,
      last_output_at: ring.end > 0 ? this.#startedAt : null,
      ended_at: this.end ? Date.now() : null,
      exit_code: this.end?.exit_code ?? null,
      signal: this.end?.signal ?? null,
      bytes: ring.end,
      cols: 80,
      rows: 24,
      viewers: this.readers.size,
    };
  }

  applied(viewer: string): number {
    return this.#inputs.get(viewer)?.next ?? 0;
  }

  /** The agent has forgotten whose input this is. */
  forget(viewer: string): void {
    this.#inputs.delete(viewer);
  }

  takeInput(viewer: string, offset: number, bytes: Uint8Array): void {
    const receiver = this.#inputs.get(viewer) ?? new StreamReceiver(0);
    this.#inputs.set(viewer, receiver);
    const fresh = receiver.accept(offset, bytes);
    if (!fresh) throw new Error(`input jumps from ${receiver.next} to ${offset}`);
    if (fresh.length > 0) this.input(fresh.slice());
  }

  write(bytes: Uint8Array | string, stream: 0 | 1 = 0): void {
    this.rings[stream].append(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    this.pump();
  }

  finish(end: V2End): void {
    this.end = end;
    this.pump();
  }

  pump(): void {
    for (const reader of this.readers) reader.pump();
  }

  signal(name: string): void {
    this.signals.push(name);
  }

  resize(cols: number, rows: number): void {
    this.resizes.push([cols, rows]);
  }
}
