/**
 * The binary frames of rexec.v2: `kind << 4 | stream`, varints, bytes. Pure; `docs/protocol-v2.md` says what each side
 * does with them.
 */
import { MAX_VARINT_BYTES, VarintReader, varintLength, writeVarint } from "./varint.ts";

/** The WebSocket subprotocol. */
export const SUBPROTOCOL_V2 = "rexec.v2";

/** Most payload bytes of one DATA frame, plain. */
export const MAX_DATA_BYTES = 64 * 1024;

/** The largest offset: an offset plus a window or a frame has to fit a varint too. */
export const MAX_OFFSET = 2 ** 52;

/** The streams of a session. */
export const Stream = { input: 0, output: 1, stderr: 2 } as const;
export type Stream = (typeof Stream)[keyof typeof Stream];

export type Frame =
  | { kind: "data"; stream: Stream; channel: number; offset: number; bytes: Uint8Array }
  /** Compressed with zstd; `length` is the plain size and at most `MAX_DATA_BYTES`. */
  | { kind: "zstd"; stream: Stream; channel: number; offset: number; length: number; bytes: Uint8Array }
  | { kind: "ack"; stream: Stream; channel: number; consumed: number; limit: number }
  | { kind: "fin"; stream: Stream; channel: number; offset: number }
  | { kind: "gap"; stream: Stream; channel: number; from: number; to: number }
  | { kind: "screen"; stream: Stream; channel: number; position: number; bytes: Uint8Array };

/** A frame, `unknown` for a kind of a later version (to be ignored), or why it is invalid. */
export type Decoded =
  | { ok: true; frame: Frame }
  | { ok: false; problem: "unknown" | "invalid"; reason: string };

/** Most bytes of one frame: with the first byte and three numbers. */
export const MAX_FRAME_BYTES = 1 + 3 * MAX_VARINT_BYTES + MAX_DATA_BYTES;

/**
 * One frame as it travels.
 * @param scratch of `MAX_FRAME_BYTES`: the frame is written there, and has to be sent before the next is encoded
 * @throws RangeError for a number that no varint holds, or too much payload
 */
export function encodeFrame(frame: Frame, scratch?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const { stream, channel } = frame;
  switch (frame.kind) {
    case "data":
      return pack(KIND.data, stream, [channel, frame.offset], frame.bytes, scratch);
    case "zstd":
      return pack(KIND.zstd, stream, [channel, frame.offset, frame.length], frame.bytes, scratch);
    case "ack":
      return pack(KIND.ack, stream, [channel, frame.consumed, frame.limit], EMPTY, scratch);
    case "fin":
      return pack(KIND.fin, stream, [channel, frame.offset], EMPTY, scratch);
    case "gap":
      return pack(KIND.gap, stream, [channel, frame.from, frame.to], EMPTY, scratch);
    case "screen":
      return pack(KIND.screen, stream, [channel, frame.position], frame.bytes, scratch);
  }
}

/** Reads one frame; payloads are views of `bytes`, not copies. Never throws. */
export function decodeFrame(bytes: Uint8Array): Decoded {
  const [first] = bytes;
  if (first === undefined) return invalid("an empty frame");
  const stream = streamOf(first & 0x0f);
  const reader = new VarintReader(bytes, 1);
  const kind = first >> 4;
  if (kind < KIND.data || kind > KIND.screen)
    return { ok: false, problem: "unknown", reason: `kind ${kind}` };
  if (stream === null) return invalid(`stream ${first & 0x0f}`);
  const channel = reader.next();
  const a = reader.next();
  const b = kind === KIND.zstd || kind === KIND.ack || kind === KIND.gap ? reader.next() : 0;
  if (reader.failed) return invalid("a number cut short or too large");
  const frame = assemble({ kind, stream, channel, a, b, rest: bytes.subarray(reader.position) });
  return typeof frame === "string" ? invalid(frame) : { ok: true, frame };
}

// --- internal ---

const EMPTY = new Uint8Array(0);
const KIND = { data: 1, zstd: 2, ack: 3, fin: 4, gap: 5, screen: 6 } as const;

function pack(
  kind: number,
  stream: Stream,
  numbers: readonly number[],
  payload: Uint8Array,
  scratch?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (payload.length > MAX_DATA_BYTES)
    throw new RangeError(`${payload.length} bytes are too many for a frame`);
  let size = 1 + payload.length;
  for (const value of numbers) size += varintLength(value);
  const bytes = scratch ? scratch.subarray(0, size) : new Uint8Array(size);
  bytes[0] = (kind << 4) | stream;
  let at = 1;
  for (const value of numbers) at = writeVarint(bytes, at, value);
  bytes.set(payload, at);
  return bytes;
}

interface Parts {
  kind: number;
  stream: Stream;
  channel: number;
  a: number;
  b: number;
  rest: Uint8Array;
}

/** The frame, or why it is invalid. */
function assemble({ kind, stream, channel, a, b, rest }: Parts): Frame | string {
  if (rest.length > MAX_DATA_BYTES) return `${rest.length} bytes of payload`;
  const carries = kind === KIND.data || kind === KIND.zstd || kind === KIND.screen;
  if (!carries && rest.length > 0) return "bytes after the end";
  if (a > MAX_OFFSET || (kind === KIND.gap && b > MAX_OFFSET)) return "an offset too large";
  if (kind === KIND.data) return { kind: "data", stream, channel, offset: a, bytes: rest };
  if (kind === KIND.screen) return { kind: "screen", stream, channel, position: a, bytes: rest };
  if (kind === KIND.fin) return { kind: "fin", stream, channel, offset: a };
  if (kind === KIND.zstd) {
    if (b > MAX_DATA_BYTES) return `${b} bytes once unpacked`;
    return { kind: "zstd", stream, channel, offset: a, length: b, bytes: rest };
  }
  if (b < a) return `${b} before ${a}`;
  if (kind === KIND.ack) return { kind: "ack", stream, channel, consumed: a, limit: b };
  return { kind: "gap", stream, channel, from: a, to: b };
}

function streamOf(value: number): Stream | null {
  return value === Stream.input || value === Stream.output || value === Stream.stderr ? value : null;
}

function invalid(reason: string): Decoded {
  return { ok: false, problem: "invalid", reason };
}
