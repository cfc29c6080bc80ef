/** What each kind of channel is to the agent's end of a connection. */
import type { Channel } from "../../link/link.ts";
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";

/**
 * A channel of one connection: what `attached` says of it, and then its frames. Owned by the connection's link, which
 * closes it; the session or command behind it outlives it.
 */
export interface AgentChannel extends Channel<OpenerMessage> {
  readonly info: SessionInfo;
  /** Offsets where output and stderr go on. */
  readonly starts: [number, number];
  /** Offset up to which the opener's input was taken over. */
  readonly accepted: number;
  /** The session or command was started for it. */
  readonly created: boolean;
  /** To be called once, after `attached` is on its way. */
  begin(): void;
  close(announced: boolean): void;
}

/** What is wrong with an ack of bytes that were never sent. */
export function overAck(consumed: number, sent: number): string {
  return `an ack of ${consumed} bytes, of which ${sent} were sent`;
}
