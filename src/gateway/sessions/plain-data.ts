/** What a DATA or DATA_ZSTD frame carries, unpacked. */
import { zstdDecompressSync } from "node:zlib";
import type { Frame } from "../../protocol/v2/frames.ts";

/** The plain bytes, which may be a view of the frame's; null where they can't be unpacked to the size that it says. */
export function plainData(frame: Extract<Frame, { kind: "data" | "zstd" }>): Uint8Array | null {
  if (frame.kind === "data") return frame.bytes;
  try {
    // Stops at that size: a small frame can't become a large one.
    const plain = zstdDecompressSync(frame.bytes, { maxOutputLength: Math.max(1, frame.length) });
    return plain.length === frame.length ? plain : null;
  } catch {
    return null;
  }
}
