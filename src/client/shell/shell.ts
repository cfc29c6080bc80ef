/** A remote shell over rexec.v2: what it wrote is shown once and in order, what was typed arrives once, over any cut. */

import type { LinkSocket } from "../../link/socket.ts";
import { MAIN_SESSION, splitSessionId } from "../../protocol/ids.ts";
import { SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import { RESUMING } from "../reconnect.ts";
import { sessionGone } from "../stream/refusals.ts";
import type { AttachContext, Shell } from "./attach-context.ts";
import { ShellChannel } from "./shell-channel.ts";
import { ShellState } from "./shell-state.ts";

/** The shell of a server of rexec.v2. */
export class ShellV2 implements Shell {
  readonly subprotocol = SUBPROTOCOL_V2;
  readonly times = RESUMING;
  readonly takesEarly = true;
  readonly #context: AttachContext;
  readonly #state: ShellState;
  /** On the newest connection. */
  #channel: ShellChannel | null = null;

  constructor(context: AttachContext) {
    const { target, session } = context;
    const own = target.newSession ? splitSessionId(target.viewerId) : MAIN_SESSION;
    this.#context = context;
    this.#state = new ShellState(context, session ?? own);
  }

  async prepare(): Promise<void> {}

  async take(bytes: Uint8Array): Promise<void> {
    const { journal, rights } = this.#state;
    if (rights.mayType) return journal.take(bytes, this.#context.signal);
    const text = rights.dropped(bytes);
    if (text) this.#context.status({ kind: "control", text });
  }

  control(mode: "everybody" | "only"): void {
    this.#channel?.control(mode);
  }

  on(connection: LinkSocket, attached: () => boolean): ShellChannel {
    // The agent came back as an older version: it has none of our sessions.
    if (connection.protocol !== SUBPROTOCOL_V2) throw sessionGone(this.#state.journal.unapplied);
    this.#channel = new ShellChannel(this.#context, this.#state, connection, attached);
    return this.#channel;
  }

  onLost(): void {}

  async left() {
    const { instance, session } = this.#state;
    return { livesOn: instance === null ? null : session, isKept: true };
  }
}
