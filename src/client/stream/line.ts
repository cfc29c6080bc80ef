/** The one channel that a client opens on a connection, and where the frames of its streams go. */
import type { AckChannel } from "../../link/output-reader.ts";
import type { LinkSocket } from "../../link/socket.ts";

/** Its number. */
export const CHANNEL = 0;

/** The channel of a connection, for its input's writer and its output's readers. */
export function lineOf(connection: LinkSocket): AckChannel {
  return {
    channel: CHANNEL,
    send: (frame) => connection.send(frame),
    get rttMs() {
      return connection.rttMs;
    },
  };
}
