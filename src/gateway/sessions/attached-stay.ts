/** A viewer's stay at a session, as the audit log tells of it. */

import type { OpenerMessage, OwnerMessage } from "../../protocol/v2/control.ts";
import type { RoomAudit, Stay } from "../audit/room-audit.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { Attachment } from "./attachment.ts";
import type { Mirror } from "./mirror.ts";

type Attach = Extract<OpenerMessage, { type: "attach" }>;
type Attached = Extract<OwnerMessage, { type: "attached" }>;

/** From the agent's answer to the viewer's leaving. Owned by the viewer's channel. */
export class AttachedStay {
  readonly #mirror: Mirror;
  readonly #from: number;
  readonly #left: (stay: Stay) => void;

  constructor(
    audit: RoomAudit,
    viewer: ConnectionInfo,
    { instance, cursor, command }: Attach,
    { info, created }: Attached,
    mirror: Mirror,
  ) {
    const resumed = !created && cursor !== undefined && instance === info.instance;
    this.#mirror = mirror;
    this.#from = created ? 0 : resumed ? cursor : mirror.ring.end;
    const how = { session: info.session, created, resumed, protocol: "v2" } as const;
    this.#left = audit.joined(viewer, { ...how, command: created ? command : undefined });
  }

  /** What passed is told by places that are kept in any case: no byte is counted twice. */
  end({ sent, typing }: Attachment): void {
    const bytes_out = Math.max(0, (sent ?? this.#from) - this.#from);
    this.#left({ bytes_in: typing.typed, bytes_out, ...this.#mirror.end });
  }
}
