/** From the keyboard (or a pipe) to a sink, in order, no faster than the sink takes it. */
import type { Clock } from "../../lib/clock.ts";
import { EscapeFilter } from "./escape.ts";
import type { EscapeKey } from "./escape-key.ts";
import type { Terminal } from "./terminal.ts";

/** Ctrl-D, which a terminal takes for the end of input. */
const END_OF_INPUT = new Uint8Array([0x04]);
const NOTHING = new Uint8Array(0);
/** Quiet of this many ms before the first and between the last Ctrl-Ds. */
const FIRST_QUIET_MS = 300;
const LAST_QUIET_MS = 5_000;
/** The key that leaves, twice within so many ms, is the key itself. */
const AGAIN_MS = 400;
/** Keys behind the key that leaves, and what they do in its place. */
const CONTROLS: Record<string, "everybody" | "only" | undefined> = { c: "only", o: "everybody" };
/** What is typed before anything is connected is held up to this many bytes. */
const EARLY_BYTES = 4096;

/** Where input goes. */
export interface InputSink {
  /** What was typed before it was known where to may be handed on. Otherwise it is dropped: typed blind. */
  readonly takesEarly: boolean;
  /** Resolves once more may come. */
  take(bytes: Uint8Array): Promise<void>;
  /** The user wants to type alone, or lets every viewer type. Not there by rexec.v1. */
  control?(mode: "everybody" | "only"): void;
}

/** The source of the input, and its end. */
export interface InputPumpOptions {
  terminal: Terminal;
  clock: Clock;
  /** The key that leaves; null for none. Default: Ctrl+]. */
  escapeKey?: EscapeKey | null | undefined;
  /** Called when the user pressed it. */
  leave: () => void;
  signal: AbortSignal;
}

/** Reads the input of one `attach`, and ends with its signal. Keeps 4 KiB that are typed before there is a sink. */
export class InputPump {
  readonly #options: InputPumpOptions;
  readonly #filter: EscapeFilter;
  readonly #known = Promise.withResolvers<InputSink>();
  #sink: InputSink | null = null;
  #typedEarly: Uint8Array = new Uint8Array(0);
  #early: Promise<void> = Promise.resolve();
  #lastActivity = 0;

  constructor(options: InputPumpOptions) {
    this.#options = options;
    this.#filter = new EscapeFilter(options.escapeKey);
  }

  /** Where input goes from now on. To be called once. */
  to(sink: InputSink): void {
    if (sink.takesEarly && this.#typedEarly.length > 0) this.#early = sink.take(this.#typedEarly);
    this.#typedEarly = new Uint8Array(0);
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
    let typed: Uint8Array | null = null;
    while (!signal.aborted) {
      const bytes: Uint8Array | null = typed ?? (await terminal.read());
      typed = null;
      if (signal.aborted) return;
      if (!bytes) return terminal.interactive ? leave() : this.#endInput();
      const {
        data,
        leave: wanted,
        rest,
      } = terminal.interactive
        ? this.#filter.push(bytes, clock.now())
        : { data: bytes, leave: false, rest: NOTHING };
      await this.#pass(data);
      if (!wanted) continue;
      typed = await this.#again(rest);
      if (!typed) return leave();
    }
  }

  // --- internal ---

  /**
   * The key was pressed. Pressed again it is sent, once, and some letters behind it do something else than leave: what was
   * typed behind that; else null.
   */
  async #again(rest: Uint8Array): Promise<Uint8Array | null> {
    const { terminal, clock, signal } = this.#options;
    const waited = clock.sleep(AGAIN_MS, signal).then(() => null);
    const bytes = rest.length > 0 ? rest : await Promise.race([terminal.read(), waited]);
    const control = CONTROLS[String.fromCharCode(bytes?.[0] ?? 0)];
    if (bytes && control && this.#sink?.control) {
      this.#sink.control(control);
      return bytes.subarray(1);
    }
    const length = bytes ? this.#filter.again(bytes) : 0;
    if (!bytes || length === 0) return null;
    await this.#pass(bytes.subarray(0, length));
    return bytes.subarray(length);
  }

  async #pass(data: Uint8Array): Promise<void> {
    this.active();
    if (!this.#sink && this.#options.terminal.interactive) {
      // The key that leaves must be seen while nothing is connected yet, so the keyboard is read on.
      if (this.#typedEarly.length + data.length <= EARLY_BYTES)
        this.#typedEarly = Buffer.concat([this.#typedEarly, data]);
      return;
    }
    const sink = this.#sink ?? (await this.#known.promise);
    await this.#early;
    await sink.take(data);
  }

  /**
   * A pipe has ended, but a terminal knows no end of input, only Ctrl-D read by the program in the foreground. One sent
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
