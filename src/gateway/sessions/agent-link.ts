/** The rexec.v2 side of an agent's connection. */
import { OpenerLink } from "../../link/opener.ts";
import type { Connection } from "../sockets/connection.ts";

export type { ChannelMessage, OpenedChannel as LinkChannel } from "../../link/opener.ts";

/** Owned by the agent's uplink; one for each connection. */
export class AgentLink extends OpenerLink {
  readonly connection: Connection;
  /** It was seen to take seconds for what a ring holds. */
  isSlow = false;

  /**
   * @param invalid told of a message that can't be understood
   * @param fault told where a channel throws: that channel is over then
   */
  constructor(connection: Connection, invalid: (reason: string) => void, fault: (error: unknown) => void) {
    super({
      send: (frame) => (typeof frame === "string" ? connection.send(frame) : connection.sendBytes(frame)),
      broken(reason, code) {
        invalid(reason);
        connection.close(code, reason.slice(0, 100));
      },
      invalid,
      message(message) {
        // `kill` of a session that has ended already is no fault.
        if (message.type === "refused" && message.code !== "gone") invalid(`it refused: ${message.message}`);
      },
      fault,
    });
    this.connection = connection;
  }
}
