/** Output compressed for a line where that pays. */
import type { Frame } from "../../protocol/v2/frames.ts";

type PayloadFrame = Extract<Frame, { kind: "data" | "zstd" }>;

/** Less than this is no bulk: keystrokes and prompts do not shrink. */
const MIN_BYTES = 1024;

/** The same as DATA_ZSTD where that is smaller by a tenth at least. */
export function packedFrame(frame: Extract<Frame, { kind: "data" }>): PayloadFrame {
  const { bytes, stream, channel, offset } = frame;
  if (bytes.length < MIN_BYTES) return frame;
  const packed = Bun.zstdCompressSync(bytes, { level: 1 });
  if (packed.length > bytes.length * 0.9) return frame;
  return { kind: "zstd", stream, channel, offset, length: bytes.length, bytes: packed };
}
