/** What a DATA or DATA_ZSTD frame carries, unpacked. */
import type { Frame } from "../../protocol/v2/frames.ts";

/** The plain bytes, which may be a view of the frame's; null where they can't be unpacked to the size that it says. */
export function plainData(frame: Extract<Frame, { kind: "data" | "zstd" }>): Uint8Array | null {
  if (frame.kind === "data") return frame.bytes;
  if (sizeInHeader(frame.bytes) !== frame.length) return null;
  try {
    const plain = Bun.zstdDecompressSync(frame.bytes);
    return plain.length === frame.length ? plain : null;
  } catch {
    return null;
  }
}

// --- internal ---

/**
 * The content size that a zstd frame states about itself (RFC 8878, section 3.1.1.1), or null: so that nothing is
 * unpacked that would be larger than it says.
 */
function sizeInHeader(bytes: Uint8Array): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 6 || view.getUint32(0, true) !== 0xfd2fb528) return null;
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const flag = descriptor >> 6;
  if (bytes.length < at + 8) return flag === 0 && single && bytes.length > at ? view.getUint8(at) : null;
  if (flag === 0) return single ? view.getUint8(at) : null;
  if (flag === 1) return view.getUint16(at, true) + 256;
  if (flag === 2) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}
