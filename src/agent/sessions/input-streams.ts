/** What viewers type into one session: each viewer's bytes once, in order, over any number of connections. */
import { UNAPPLIED_BYTES } from "../../protocol/limits.ts";
import { StreamReceiver } from "../../stream/stream.ts";
import type { SavedSession } from "../restart/schema.ts";

/** Viewers that are remembered; the longest silent one is forgotten first. */
const MAX_VIEWERS = 64;

type SavedTyping = SavedSession["viewers"][number];

/** One viewer's input. */
export class InputStream {
  /** Told of each change of `applied`; the connection that the viewer uses now. @transient viewers attach again */
  onApplied: (() => void) | null = null;
  /** When it last attached or typed, performance.now(). */
  heardAt = performance.now();
  #receiver = new StreamReceiver(0);
  #applied = 0;

  save(): Required<Omit<SavedTyping, "id">> {
    const { accepted, applied, heardAt } = this;
    return { accepted, applied, silentMs: performance.now() - heardAt };
  }

  /** Goes on where another program image was. */
  restore({ accepted, applied, silentMs }: Omit<SavedTyping, "id">): void {
    this.#receiver = new StreamReceiver(accepted);
    this.#applied = applied;
    this.heardAt = performance.now() - silentMs;
  }

  /** How much was taken over: it is written even where the connection drops. */
  get accepted(): number {
    return this.#receiver.next;
  }

  /** How much the terminal has taken. */
  get applied(): number {
    return this.#applied;
  }

  /** The viewer may send before. */
  get limit(): number {
    return this.#applied + UNAPPLIED_BYTES;
  }

  /** The bytes that are new, as a copy; null where some before them are missing, or there are too many. */
  accept(offset: number, bytes: Uint8Array): Uint8Array | null {
    if (offset + bytes.length > this.limit) return null;
    this.heardAt = performance.now();
    const fresh = this.#receiver.accept(offset, bytes);
    return fresh && Uint8Array.from(fresh);
  }

  written(bytes: number): void {
    this.#applied += bytes;
    this.onApplied?.();
  }
}

/** The input of all viewers of one session, by their ids. Owned by the session. */
export class InputStreams {
  readonly #viewers = new Map<string, InputStream>();

  of(viewer: string): InputStream {
    const typing = this.#viewers.get(viewer) ?? new InputStream();
    typing.heardAt = performance.now();
    this.#viewers.set(viewer, typing);
    while (this.#viewers.size > MAX_VIEWERS && this.#forgetOne(typing)) {}
    return typing;
  }

  idOf(typing: InputStream): string | null {
    for (const [id, known] of this.#viewers) if (known === typing) return id;
    return null; // forgotten
  }

  save(): SavedTyping[] {
    return [...this.#viewers].map(([id, typing]) => ({ id, ...typing.save() }));
  }

  restore(saved: readonly SavedTyping[]): void {
    for (const { id, ...typing } of saved) this.of(id).restore(typing);
  }

  // --- internal ---

  /** The longest silent; not one that is attached, of which there can be no more than channels. */
  #forgetOne(except: InputStream): boolean {
    let silent: [string, InputStream] | null = null;
    for (const entry of this.#viewers) {
      const [, typing] = entry;
      if (typing === except || typing.onApplied) continue;
      if (!silent || typing.heardAt < silent[1].heardAt) silent = entry;
    }
    return silent !== null && this.#viewers.delete(silent[0]);
  }
}
