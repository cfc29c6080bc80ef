/** From the keyboard (or a pipe) to the socket, in order, no faster than the socket takes it. */
import type { Clock } from "../lib/clock.ts";
import { INPUT_CHUNK_BYTES } from "../protocol/limits.ts";
import { EscapeFilter } from "./escape.ts";
import type { Terminal } from "./terminal.ts";
import type { ViewerSocket } from "./viewer.ts";

/** Nothing more is read while this much waits to be sent, bytes. The socket has no drain event: it is asked. */
const HIGH = 1024 * 1024;
const POLL_MS = 20;
/** Ctrl-D, which a terminal takes for the end of input. */
const END_OF_INPUT = new Uint8Array([0x04]);
/** Quiet of this many ms before the first and between the last Ctrl-Ds. */
const FIRST_QUIET_MS = 300;
const LAST_QUIET_MS = 5_000;

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
  #viewer: ViewerSocket | null = null;
  #connected = Promise.withResolvers<void>();
  #lastActivity = 0;

  constructor(options: InputPumpOptions) {
    this.#options = options;
  }

  /** Where input goes from now on; null while there is no connection. */
  to(viewer: ViewerSocket | null): void {
    this.#viewer = viewer;
    if (viewer) this.#connected.resolve();
    else this.#connected = Promise.withResolvers();
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
      if (!terminal.interactive) {
        await this.#send(bytes);
        continue;
      }
      const { data, leave: wanted } = this.#filter.push(bytes, clock.now());
      // What is typed while nothing is connected is dropped: typed blind, it would run later, somewhere else.
      if (this.#viewer) await this.#send(data);
      if (wanted) return leave();
    }
  }

  // --- internal ---

  async #send(bytes: Uint8Array): Promise<void> {
    const { clock, signal } = this.#options;
    for (let at = 0; at < bytes.length && !signal.aborted; at += INPUT_CHUNK_BYTES) {
      if (!this.#viewer) await this.#connected.promise;
      this.active();
      this.#viewer?.send(new Uint8Array(bytes.subarray(at, at + INPUT_CHUNK_BYTES)));
      while ((this.#viewer?.buffered ?? 0) > HIGH && !signal.aborted) await clock.sleep(POLL_MS, signal);
    }
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
      if (!signal.aborted) await this.#send(END_OF_INPUT);
    }
  }
}
