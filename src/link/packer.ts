/** Output on its way to one reader: plain, or compressed where the line is slow and it shrinks. */
import { encodeFrame, type Frame, MAX_FRAME_BYTES } from "../protocol/v2/frames.ts";
import type { Zstd } from "./zstd.ts";

/** Less is no bulk: an echo or a prompt doesn't shrink, bytes. */
const LEAST_BYTES = 1024;
/** It must come down to this part to be worth the work at both ends. */
const WORTH = 0.75;
/** Where it did not, so many bytes go as they are before it is tried again. */
const REST_BYTES = 512 * 1024;
/** Each frame is handed to the socket, which copies it, before the next is made: a flood leaves no garbage behind. */
const scratch = new Uint8Array(MAX_FRAME_BYTES);

/** Owned by one channel of output: it remembers whether that shrinks. */
export class Packer {
  readonly #compress: Zstd["compress"];
  /** Bytes until the next try. */
  #rest = 0;

  /** @param zstd null where the reader does not take DATA_ZSTD */
  constructor(zstd: Zstd | null) {
    this.#compress = zstd?.compress ?? null;
  }

  /**
   * The frame as it travels; it is true until the next one is made.
   * @param isSlow the line carries little: it is worth the time
   */
  encode(frame: Extract<Frame, { kind: "data" | "gap" }>, isSlow: boolean): Uint8Array<ArrayBuffer> {
    if (frame.kind === "gap" || !this.#compress || frame.bytes.length < LEAST_BYTES)
      return encodeFrame(frame, scratch);
    if (this.#rest > 0) {
      this.#rest -= frame.bytes.length;
      return encodeFrame(frame, scratch);
    }
    if (!isSlow) return encodeFrame(frame, scratch);
    const { bytes: plain, stream, channel, offset } = frame;
    const bytes = this.#compress(plain);
    if (bytes.length > plain.length * WORTH) {
      this.#rest = REST_BYTES;
      return encodeFrame(frame, scratch);
    }
    return encodeFrame({ kind: "zstd", stream, channel, offset, length: plain.length, bytes }, scratch);
  }
}
