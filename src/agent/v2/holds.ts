/** Readers that were cut off: for a while their shells wait for them, as far as they had asked. */
import type { RingReader, Session } from "../session.ts";
import type { OutputChannel } from "./output-channel.ts";

export class Holds {
  readonly #holdMs: number;
  readonly #held = new Map<Session, Map<string, { reader: RingReader; timer: Timer }>>();

  /** @param holdMs how long */
  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** The reader's connection was lost without a word. */
  keep(channel: OutputChannel): void {
    const { session, viewer, wants, holds } = channel;
    if (!holds || session.exit !== null) return;
    this.release(session, viewer);
    const reader: RingReader = { holds: true, wants, advance() {} };
    const timer = setTimeout(() => this.release(session, viewer), this.#holdMs);
    timer.unref();
    session.readers.add(reader);
    const held = this.#held.get(session) ?? new Map();
    held.set(viewer, { reader, timer });
    this.#held.set(session, held);
  }

  /** It is back, or not waited for any more. */
  release(session: Session, viewer: string): void {
    const viewers = this.#held.get(session);
    const held = viewers?.get(viewer);
    if (!viewers || !held) return;
    clearTimeout(held.timer);
    viewers.delete(viewer);
    if (viewers.size === 0) this.#held.delete(session);
    session.readers.delete(held.reader);
    session.readersChanged();
  }
}
