/** A command of a scripted gateway: a real child, whose streams wait for whoever reads them. */
import type { Subprocess } from "bun";
import type { OpenerMessage } from "../../src/protocol/v2/control.ts";
import { V2Session } from "./v2-session.ts";
import { until } from "./wait.ts";

const RING_BYTES = 1024 * 1024;

export class V2Run extends V2Session {
  readonly kind = "run";
  readonly command: string;
  readonly #child: Subprocess<"pipe", "pipe", "pipe">;
  /** Consumed by the reader, of stdout and stderr. */
  readonly consumed: [number, number] = [0, 0];
  #timedOut = false;

  constructor(message: Extract<OpenerMessage, { type: "run" }>) {
    super(message.run, RING_BYTES);
    this.command = message.command;
    // bash replaces itself with a single command, which then gets the signals alone.
    this.#child = Bun.spawn(["/bin/bash", "--norc", "-c", message.command], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      cwd: message.cwd ?? "/tmp",
      env: { PATH: process.env.PATH ?? "", ...message.env },
      detached: true, // a process group of its own
    });
    if (message.timeout_ms !== undefined) {
      setTimeout(() => {
        this.#timedOut = true;
        this.#signalGroup("SIGKILL");
      }, message.timeout_ms).unref();
    }
    void this.#live();
  }

  input(bytes: Uint8Array): void {
    this.#child.stdin.write(bytes);
    void this.#child.stdin.flush();
  }

  inputEnded(): void {
    void this.#child.stdin.end();
  }

  override signal(name: string): void {
    super.signal(name);
    this.#signalGroup(name);
  }

  kill(): void {
    this.#signalGroup("SIGKILL");
  }

  // --- internal ---

  async #live(): Promise<void> {
    await Promise.all([this.#read(this.#child.stdout, 0), this.#read(this.#child.stderr, 1)]);
    const code = await this.#child.exited;
    const signal = this.#child.signalCode;
    this.finish({
      exit_code: signal ? null : code,
      signal: signal === null ? null : String(signal),
      timed_out: this.#timedOut,
    });
  }

  /** Reads no further than what is not consumed has room in the ring. */
  async #read(stream: ReadableStream<Uint8Array>, which: 0 | 1): Promise<void> {
    for await (const chunk of stream) {
      for (let at = 0; at < chunk.length; at += 65_536) {
        const piece = chunk.subarray(at, at + 65_536);
        const room = () => this.rings[which].end + piece.length - this.consumed[which] <= RING_BYTES;
        if (!room()) await until(room, 600_000, "the reader");
        this.write(piece, which);
      }
    }
  }

  #signalGroup(name: string): void {
    try {
      if (this.end === null) process.kill(-this.#child.pid, name as NodeJS.Signals);
    } catch {
      // it has gone
    }
  }
}
