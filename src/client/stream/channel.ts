/** The one channel of a client's connection: what comes in on it, unpacked, checked and handed on. */

import { zstd } from "../../lib/zstd.ts";
import { ProtocolError } from "../../link/link.ts";
import { OpenerLink } from "../../link/opener.ts";
import type { LinkSocket } from "../../link/socket.ts";
import { MAX_CONTROL_BYTES, type OwnerMessage } from "../../protocol/v2/control.ts";
import type { Frame, Stream } from "../../protocol/v2/frames.ts";

export { ProtocolError } from "../../link/link.ts";

/** The reader of a channel. Called in order; each may throw a ProtocolError, which ends the connection with 1002. */
export interface ChannelEvents {
  message(message: OwnerMessage): void;
  data(stream: Stream, offset: number, bytes: Uint8Array): void;
  ack(consumed: number, limit: number): void;
  fin(stream: Stream, offset: number): void;
  gap(stream: Stream, to: number): void;
  screen(position: number, bytes: Uint8Array): void;
}

/** Listens for one channel; what belongs to others is not heard. */
export function readChannel(connection: LinkSocket, channel: number, events: ChannelEvents): void {
  let isBroken = false;
  const broken = (reason: string) => {
    isBroken = true;
    connection.fail(reason);
  };
  const link = new OpenerLink(
    {
      send: (frame) => connection.send(frame),
      broken,
      // A server has no reason to say what no version understands.
      invalid: broken,
      message: (message) => events.message(message),
      fault(error) {
        throw error;
      },
      maxText: MAX_CONTROL_BYTES,
    },
    channel,
  );
  link.open({
    control: (message) => events.message(message),
    frame: (frame) => dispatch(frame, events),
  });
  connection.listen({
    onText: (text) => isBroken || link.text(text),
    onBytes: (bytes) => isBroken || link.bytes(bytes),
  });
}

// --- internal ---

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

function unpack(bytes: Uint8Array, length: number): Uint8Array {
  const plain = zstd.decompress(bytes, length);
  if (!plain) throw new ProtocolError("compressed bytes that cannot be unpacked");
  return plain;
}
