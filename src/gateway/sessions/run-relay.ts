/**
 * A command of a viewer's: its channel joined to one on the agent's leg. Frames and messages are handed on under the
 * other number, nothing is kept: both ends resume by themselves, and their windows (1 MiB a stream) bound what is on
 * its way in our sockets.
 */
import type { OpenerMessage } from "../../protocol/v2/control.ts";
import type { Frame } from "../../protocol/v2/frames.ts";
import type { AgentLink, ChannelMessage } from "./agent-link.ts";
import type { Peer, PeerChannel } from "./peer.ts";
import { RunOrder } from "./run-order.ts";

type Run = Extract<OpenerMessage, { type: "run" }>;

export class RunRelay implements PeerChannel {
  readonly #peer: Peer;
  readonly #run: Run;
  readonly #onGone: (relay: RunRelay, announced: boolean) => void;
  readonly #order = new RunOrder();
  #link: AgentLink | null = null;
  #channel = 0;

  /** @param onGone once, unless the agent was lost; not announced: the viewer may come back, with `resume` */
  constructor(peer: Peer, run: Run, onGone: (relay: RunRelay, announced: boolean) => void) {
    this.#peer = peer;
    this.#run = run;
    this.#onGone = onGone;
  }

  /** The command's id. */
  get id(): string {
    return this.#run.run;
  }

  connect(link: AgentLink): void {
    this.#link = link;
    this.#channel = link.open({
      control: (message) => this.#fromAgent(message),
      frame: (frame) => {
        this.#order.fromAgent(frame);
        this.#peer.frame({ ...frame, channel: this.#run.channel });
      },
    });
    link.control({ ...this.#run, channel: this.#channel });
  }

  /** The agent is gone: the viewer asks again when it is back. */
  lost(): void {
    this.#link = null;
    const message = "the agent's connection was lost";
    this.#peer.send({ type: "refused", channel: this.#run.channel, code: "lost", message });
    this.#peer.forget(this.#run.channel);
  }

  /** The viewer is gone for good: the agent need not hold the command for it. */
  detach(): void {
    this.#link?.control({ type: "detach", channel: this.#channel });
    this.#link?.close(this.#channel);
    this.#link = null;
  }

  // --- from the viewer ---

  control(message: OpenerMessage): void {
    if (message.type === "signal") this.#link?.control({ ...message, channel: this.#channel });
  }

  frame(frame: Frame): void {
    // It may be late, and for the command that had this channel before.
    if (!this.#order.isAttached) return;
    const wrong = this.#order.check(frame);
    if (wrong !== null) this.#peer.broken(wrong);
    else this.#link?.frame({ ...frame, channel: this.#channel });
  }

  /** It has nothing of its own to send. */
  readonly pending = 0;

  takeFrame(): null {
    return null;
  }

  close(announced: boolean): void {
    if (announced) this.detach();
    else this.#link?.close(this.#channel);
    this.#onGone(this, announced);
  }

  // --- internal ---

  #fromAgent(message: ChannelMessage): void {
    const { channel } = this.#run;
    if (message.type === "attached") this.#order.attached(message);
    this.#peer.send({ ...message, channel });
    if (message.type !== "ended" && message.type !== "refused") return;
    this.#link?.close(this.#channel);
    this.#link = null;
    this.#peer.forget(channel);
    this.#onGone(this, true);
  }
}
