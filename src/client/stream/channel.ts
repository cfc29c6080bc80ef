/** What comes in on one channel of a connection, decoded, checked and handed on. */
import { zstdDecompressSync } from "node:zlib";
import { messageOf } from "../../lib/errors.ts";
import { MAX_CONTROL_BYTES, type OwnerMessage, parseOwner } from "../../protocol/v2/control.ts";
import { decodeFrame, type Frame, type Stream } from "../../protocol/v2/frames.ts";
import type { Connection, SocketEvents } from "../socket.ts";

/** The peer broke the protocol: both are ours, so this is a bug. The connection is ended with 1002. */
export class ProtocolError extends Error {}

/** Called in order; each may throw a ProtocolError. */
export interface ChannelEvents {
  message(message: OwnerMessage): void;
  data(stream: Stream, offset: number, bytes: Uint8Array): void;
  ack(consumed: number, limit: number): void;
  fin(stream: Stream, offset: number): void;
  gap(stream: Stream, to: number): void;
  screen(position: number, bytes: Uint8Array): void;
}

/** Listens for one channel; what belongs to others is not heard. */
export function readChannel(connection: Connection, channel: number, events: ChannelEvents): void {
  connection.listen(
    guarded(connection, {
      onText: (text) => onText(text, channel, events),
      onBytes: (bytes) => onBytes(bytes, channel, events),
    }),
  );
}

// --- internal ---

function guarded(connection: Connection, { onText, onBytes }: SocketEvents): SocketEvents {
  let failed = false;
  const guard =
    <T>(handle: (data: T) => void) =>
    (data: T) => {
      if (failed) return;
      try {
        handle(data);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        failed = true;
        connection.fail(messageOf(error));
      }
    };
  return { onText: guard(onText), onBytes: guard(onBytes) };
}

function onText(text: string, channel: number, events: ChannelEvents): void {
  if (text.length > MAX_CONTROL_BYTES) throw new ProtocolError("a control message is too long");
  const parsed = parseOwner(text);
  // A newer server may say more than we know.
  if (!parsed.ok && parsed.problem === "unknown") return;
  if (!parsed.ok) throw new ProtocolError(parsed.reason);
  const message = parsed.value;
  const theirs = "channel" in message && message.channel !== undefined && message.channel !== channel;
  if (!theirs) events.message(message);
}

function onBytes(bytes: Uint8Array, channel: number, events: ChannelEvents): void {
  const decoded = decodeFrame(bytes);
  if (!decoded.ok && decoded.problem === "unknown") return;
  if (!decoded.ok) throw new ProtocolError(decoded.reason);
  const { frame } = decoded;
  if (frame.channel === channel) dispatch(frame, events);
}

function dispatch(frame: Frame, events: ChannelEvents): void {
  switch (frame.kind) {
    case "data":
      return void events.data(frame.stream, frame.offset, frame.bytes);
    case "zstd":
      return void events.data(frame.stream, frame.offset, unpack(frame.bytes, frame.length));
    case "ack":
      return void events.ack(frame.consumed, frame.limit);
    case "fin":
      return void events.fin(frame.stream, frame.offset);
    case "gap":
      return void events.gap(frame.stream, frame.to);
    case "screen":
      return void events.screen(frame.position, frame.bytes);
  }
}

/** `maxOutputLength` refuses what claims to be small and is not. */
function unpack(bytes: Uint8Array, length: number): Uint8Array {
  try {
    const plain = zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length) });
    if (plain.length === length) return plain;
  } catch {
    // told below
  }
  throw new ProtocolError("compressed bytes that cannot be unpacked");
}
