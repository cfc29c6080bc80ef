/** The stdin of a command: each byte once, in order, over any number of connections; then its end. */
import { UNAPPLIED_BYTES } from "../../protocol/limits.ts";
import { StreamReceiver } from "../../stream/stream.ts";
import type { SavedRun } from "../restart/schema.ts";
import type { Stdin } from "./child-pipes.ts";

/** A command's stdin: each byte once, over any number of connections. Owned by its `Run`; offsets in bytes. */
export class RunInput {
  /** Told of each change of `applied`. @transient viewers attach again */
  onApplied: (() => void) | null = null;
  readonly #stdin: Stdin | null;
  readonly #receiver: StreamReceiver;
  /** What the pipe has not taken, in order; of the first it may have a part. */
  readonly #pending: Uint8Array[] = [];
  /** @transient begun anew with what is pending */
  #queue: Promise<void> = Promise.resolve();
  /** @transient what was accepted and is not pending */
  #applied = 0;
  /** @transient a closed pipe has no descriptor */
  #closed = false;
  #finished = false;

  /** @param saved as an earlier program image left it */
  constructor(stdin: Stdin | null, saved?: SavedRun["stdin"]) {
    this.#stdin = stdin;
    this.#receiver = new StreamReceiver(saved?.accepted ?? 0);
    this.#applied = saved?.applied ?? 0;
    for (const bytes of saved?.pending ?? []) this.#enqueue(bytes);
    if (saved?.finished) this.fin(saved.accepted);
  }

  get accepted(): number {
    return this.#receiver.next;
  }

  get applied(): number {
    return this.#applied;
  }

  get limit(): number {
    return this.#applied + UNAPPLIED_BYTES;
  }

  /** @returns false where bytes before these are missing, or these are too many */
  data(offset: number, bytes: Uint8Array): boolean {
    if (offset + bytes.length > this.limit) return false;
    const fresh = this.#receiver.accept(offset, bytes);
    if (!fresh) return false;
    if (fresh.length > 0) this.#enqueue(Uint8Array.from(fresh));
    return true;
  }

  /** @returns false where bytes before the end are missing */
  fin(offset: number): boolean {
    if (offset > this.accepted) return false;
    if (this.#finished) return true;
    this.#finished = true;
    this.#queue = this.#queue.then(() => this.close());
    return true;
  }

  /** The command reads no more: what comes is taken and thrown away. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stdin?.end();
  }

  /** For another program image of this process. */
  save(): Required<SavedRun["stdin"]> {
    const [rest] = this.#stdin?.unwritten ?? [];
    const pending = rest ? [rest, ...this.#pending.slice(1)] : this.#pending;
    const waiting = pending.reduce((sum, { length }) => sum + length, 0);
    const { accepted } = this;
    return {
      fd: this.#stdin?.fd ?? null,
      accepted,
      applied: accepted - waiting,
      finished: this.#finished,
      pending,
    };
  }

  // --- internal ---

  #enqueue(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#queue = this.#queue.then(async () => {
      if (!this.#closed) await this.#write(bytes);
      this.#pending.shift();
      this.#applied += bytes.length;
      this.onApplied?.();
    });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#stdin?.write(bytes);
    } catch {
      this.close(); // EPIPE: the command closed it first
    }
  }
}
