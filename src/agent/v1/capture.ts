/** What a command printed: both streams in order of arrival, each up to a limit, all within one budget. */
import { EXEC_STREAM_BYTES } from "../../protocol/limits.ts";
import type { ByteBudget } from "../sessions/byte-budget.ts";

export type StreamName = "stdout" | "stderr";

/** Small pieces are gathered: a command that prints single bytes must not cost 100 a byte. */
const BLOCK = 16 * 1024;

/** The output of one command by v1. Owned by its collector; bytes within a common budget. */
export class Capture {
  #parts: { stream: StreamName; bytes: Uint8Array; used: number }[] = [];
  readonly #size = { stdout: 0, stderr: 0 };
  readonly #limit: number;
  readonly #budget: ByteBudget;
  #truncated = false;

  constructor(budget: ByteBudget, limit = EXEC_STREAM_BYTES) {
    this.#budget = budget;
    this.#limit = limit;
  }

  /** Whether something had to be left out. */
  get truncated(): boolean {
    return this.#truncated;
  }

  /** Bytes held. */
  get size(): number {
    return this.#size.stdout + this.#size.stderr;
  }

  /** Takes what still fits; the rest is gone. */
  push(stream: StreamName, chunk: Uint8Array): void {
    const room = Math.min(this.#limit - this.#size[stream], this.#budget.total - this.#budget.used);
    const bytes = chunk.subarray(0, Math.max(0, room));
    if (bytes.length < chunk.length) this.#truncated = true;
    if (bytes.length === 0) return;
    this.#size[stream] += bytes.length;
    this.#budget.take(bytes.length);
    this.#append(stream, bytes);
  }

  /** One stream, byte for byte. */
  bytes(stream: StreamName): Uint8Array {
    const joined = new Uint8Array(this.#size[stream]);
    let at = 0;
    for (const part of this.#parts) {
      if (part.stream !== stream) continue;
      joined.set(part.bytes.subarray(0, part.used), at);
      at += part.used;
    }
    return joined;
  }

  /** Both as text in order of arrival, up to the limit of one; each decoded by itself, so that none splits the other's characters. */
  text(): string {
    const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
    let text = "";
    let left = this.#limit;
    for (const { stream, bytes, used } of this.#parts) {
      const part = bytes.subarray(0, Math.min(used, left));
      if (part.length < used) this.#truncated = true;
      left -= part.length;
      text += decoders[stream].decode(part, { stream: true });
    }
    return text + decoders.stdout.decode() + decoders.stderr.decode();
  }

  /** Gives the memory back. */
  clear(): void {
    this.#budget.give(this.size);
    this.#size.stdout = 0;
    this.#size.stderr = 0;
    this.#parts = [];
  }

  // --- internal ---

  #append(stream: StreamName, bytes: Uint8Array): void {
    const last = this.#parts.at(-1);
    if (last && last.stream === stream && last.bytes.length - last.used >= bytes.length) {
      last.bytes.set(bytes, last.used);
      last.used += bytes.length;
    } else if (bytes.length >= BLOCK / 2) {
      this.#parts.push({ stream, bytes: bytes.slice(), used: bytes.length });
    } else {
      // The first of a run is kept as small as it is; only a second one of the same stream makes a block.
      const block = new Uint8Array(last?.stream === stream ? BLOCK : bytes.length);
      block.set(bytes);
      this.#parts.push({ stream, bytes: block, used: bytes.length });
    }
  }
}
