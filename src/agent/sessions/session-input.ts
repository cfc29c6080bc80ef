/** What is typed into one shell: by servers of rexec.v1, and by viewers of rexec.v2, each of whose bytes counts once. */
import { messageOf } from "../../lib/errors.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { type Pty, PtyClosedError } from "../../pty/pty.ts";
import type { SavedInput } from "../restart/schema.ts";
import { type InputStream, InputStreams } from "./input-streams.ts";

/** Input that a session keeps while its program does not read, bytes. */
export const INPUT_BUFFER_BYTES = 8 * 1024 * 1024;
/** What one piece of input costs at least: the promise and the array around it. */
const INPUT_OVERHEAD = 256;

/** What is typed into one session, on its way to the PTY. Owned by the session. */
export class SessionInput {
  readonly typing = new InputStreams();
  readonly #pty: Pty | null;
  readonly #logger: Logger;
  readonly #id: string;
  /** Who wrote what the terminal has not taken, in order. */
  readonly #writers: (InputStream | null)[] = [];
  /** @transient counted anew as `restore` writes the input again */
  #queued = 0;
  #refusing = false;

  /** @param pty null where nothing is taken any more */
  constructor(pty: Pty | null, id: string, logger: Logger) {
    this.#pty = pty;
    this.#id = id;
    this.#logger = logger;
  }

  /**
   * By rexec.v1. What the shell does not read is kept up to `INPUT_BUFFER_BYTES`; beyond that the rest is refused until
   * all that was kept has been read, so that a paste has one end and no hole.
   * @returns false where it was refused
   */
  write(data: Uint8Array): boolean {
    const cost = data.length + INPUT_OVERHEAD;
    if (this.#refusing || this.#queued + cost > INPUT_BUFFER_BYTES) {
      this.#refusing = this.#queued > 0;
      return false;
    }
    this.#queued += cost;
    this.#put(data, null, () => {
      this.#queued -= cost;
      if (this.#queued === 0) this.#refusing = false;
    });
    return true;
  }

  /** By rexec.v2, what of it is new. */
  type(typing: InputStream, fresh: Uint8Array): void {
    this.#put(fresh, typing, () => typing.written(fresh.length));
  }

  /** @param unwritten of the PTY's state */
  save(unwritten: readonly Uint8Array[]): Required<SavedInput> {
    const input = unwritten.map((bytes, index) => {
      const writer = this.#writers[index] ?? null;
      return { viewer: writer && this.typing.idOf(writer), bytes };
    });
    const viewers = this.typing.save().map(({ accepted, ...viewer }) => {
      const waiting = input.reduce(
        (sum, { viewer: id, bytes }) => sum + (id === viewer.id ? bytes.length : 0),
        0,
      );
      return { ...viewer, accepted, applied: accepted - waiting };
    });
    return { viewers, input, refusesInput: this.#refusing };
  }

  restore({ viewers, input, refusesInput = false }: SavedInput): void {
    this.typing.restore(viewers);
    for (const { viewer, bytes } of input) {
      if (viewer === null) this.write(bytes);
      else this.type(this.typing.of(viewer), bytes);
    }
    this.#refusing = refusesInput && this.#queued > 0;
  }

  // --- internal ---

  #put(data: Uint8Array, writer: InputStream | null, settle: () => void): void {
    if (!this.#pty) {
      settle();
      return;
    }
    this.#writers.push(writer);
    const settled = () => {
      this.#writers.shift(); // they settle in the order of the calls
      settle();
    };
    this.#pty.write(data).then(settled, (error) => {
      settled();
      if (error instanceof PtyClosedError) return;
      const cause = { level: "warn", kind: "input", who: "server", atOnce: 5 } as const;
      gather(this.#logger, cause, `session ${this.#id}: input: ${messageOf(error)}`);
    });
  }
}
