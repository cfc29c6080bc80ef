/** From the keyboard (or a pipe) to whatever takes input, in order, no faster than it is taken. */
import type { Clock } from "../lib/clock.ts";
import { EscapeFilter } from "./escape.ts";
import type { Terminal } from "./terminal.ts";

/** Ctrl-D, which a terminal takes for the end of input. */
const END_OF_INPUT = new Uint8Array([0x04]);
/** Quiet of this many ms before the first and between the last Ctrl-Ds. */
const FIRST_QUIET_MS = 300;
const LAST_QUIET_MS = 5_000;
/** What is typed before anything is connected is held up to this many bytes. */
const HELD_BYTES = 4096;

/** Where input goes. */
export interface InputSink {
  /** What was typed before it was known where to may be handed on. Otherwise it is dropped: typed blind. */
  readonly takesEarly: boolean;
  /** Resolves once more may come. */
  take(bytes: Uint8Array): Promise<void>;
}

export interface InputPumpOptions {
  terminal: Terminal;
  clock: Clock;
  /** Called when the person pressed Ctrl+]. */
  leave: () => void;
  signal: AbortSignal;
}

export class InputPump {
  readonly #options: InputPumpOptions;
  readonly #filter = new EscapeFilter();
  readonly #known = Promise.withResolvers<InputSink>();
  #sink: InputSink | null = null;
  #held: Uint8Array = new Uint8Array(0);
  #early: Promise<void> = Promise.resolve();
  #lastActivity = 0;

  constructor(options: InputPumpOptions) {
    this.#options = options;
  }

  /** Where input goes from now on. To be called once. */
  to(sink: InputSink): void {
    if (sink.takesEarly && this.#held.length > 0) this.#early = sink.take(this.#held);
    this.#held = new Uint8Array(0);
    this.#sink = sink;
    this.#known.resolve(sink);
  }

  /** To be told of output: a Ctrl-D at the end of a pipe waits for quiet. */
  active(): void {
    this.#lastActivity = this.#options.clock.now();
  }

  /** Reads until the end, the leaving key, or the signal. */
  async run(): Promise<void> {
    const { terminal, clock, leave, signal } = this.#options;
    while (!signal.aborted) {
      const bytes = await terminal.read();
      if (signal.aborted) return;
      if (!bytes) return terminal.interactive ? leave() : this.#endInput();
      const { data, leave: wanted } = terminal.interactive
        ? this.#filter.push(bytes, clock.now())
        : { data: bytes, leave: false };
      await this.#pass(data);
      if (wanted) return leave();
    }
  }

  // --- internal ---

  async #pass(data: Uint8Array): Promise<void> {
    this.active();
    if (!this.#sink && this.#options.terminal.interactive) {
      // Ctrl+] must be seen while nothing is connected yet, so the keyboard is read on.
      if (this.#held.length + data.length <= HELD_BYTES) this.#held = Buffer.concat([this.#held, data]);
      return;
    }
    const sink = this.#sink ?? (await this.#known.promise);
    await this.#early;
    await sink.take(data);
  }

  /**
   * A pipe has ended, but a terminal knows no end of input, only Ctrl-D read by whatever program is in front. One sent
   * too early is lost, so it is sent again whenever all has been quiet for a while, until the shell exits.
   */
  async #endInput(): Promise<void> {
    const { clock, signal } = this.#options;
    for (let quiet = FIRST_QUIET_MS; !signal.aborted; quiet = Math.min(quiet * 2, LAST_QUIET_MS)) {
      this.active();
      for (let left = quiet; left > 0 && !signal.aborted; ) {
        await clock.sleep(left, signal);
        left = this.#lastActivity + quiet - clock.now();
      }
      if (!signal.aborted) await this.#pass(END_OF_INPUT);
    }
  }
}
