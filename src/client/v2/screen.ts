/** A snapshot of the remote screen: put together, and put in the place of what the near terminal shows. */
import { ProtocolError } from "./channel.ts";

/** A snapshot is a screen and its scrollback; a larger one is none that our gateway makes. */
const MOST_BYTES = 16 * 1024 * 1024;

/** As the message `screen` announces it. */
export interface ScreenHead {
  offset: number;
  bytes: number;
  skipped: number;
  /** Of `bytes`, those that draw. */
  drawn?: number | undefined;
}

/** The pieces of one snapshot. */
export class Snapshot {
  readonly head: ScreenHead;
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  /** @throws ProtocolError where it is far too large */
  constructor(head: ScreenHead) {
    if (head.bytes > MOST_BYTES) throw new ProtocolError(`a snapshot of ${head.bytes} bytes`);
    this.head = head;
  }

  get complete(): boolean {
    return this.#length === this.head.bytes;
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }

  /**
   * With lines of ours over it. Where the gateway says what draws they come right behind that, so that they change nothing
   * but their rows: not the cursor that the program saved, and no mode of the program's changes them.
   */
  with(lines: readonly string[], cols: number): Uint8Array {
    const { drawn } = this.head;
    const { bytes } = this;
    if (lines.length === 0) return bytes;
    if (drawn === undefined || drawn > bytes.length)
      return Buffer.concat([bytes, ...lines.map((line) => Buffer.from(overlay(line, cols)))]);
    const own = lines.map((line) => Buffer.from(`\x1b[1;1H\x1b[0;7m${row(line, cols)}\x1b[0m\x1b[K`));
    return Buffer.concat([bytes.subarray(0, drawn), ...own, bytes.subarray(drawn)]);
  }

  /** @throws ProtocolError where it does not fit */
  add(position: number, bytes: Uint8Array): void {
    if (position !== this.#length || position + bytes.length > this.head.bytes) {
      throw new ProtocolError(`a piece of a snapshot at ${position}, not ${this.#length}`);
    }
    this.#pieces.push(bytes);
    this.#length += bytes.length;
  }
}

/**
 * Makes room for a snapshot: what the terminal shows moves up into its scrollback, and everything is at rest.
 * @param undo what switches off whatever is on
 */
export function blankScreen(undo: string, rows: number): string {
  // A reset (ESC c) would throw away the scrollback of the person's own terminal. Margins come last: they home the cursor.
  return `${undo}\x1b[0m\x1b(B\x0f\r${"\n".repeat(rows)}\x1b[r\x1b[?6l\x1b[?7h\x1b[4l\x1b[H\x1b[J`;
}

/** A line within the output. */
export function marker(text: string): string {
  return `\x1b[0m\r\n\x1b[7m rexec: ${text} \x1b[0m\r\n`;
}

/**
 * A line over the top row, which leaves the cursor and its attributes where they were.
 * @param cols of the terminal: what does not fit would cover a second row
 */
export function overlay(text: string, cols: number): string {
  return `\x1b7\x1b[1;1H\x1b[0;7m${row(text, cols)}\x1b[0m\x1b[K\x1b8`;
}

/** Takes an overlay away; what stood under it is not known here. */
export function clearOverlay(): string {
  return "\x1b7\x1b[1;1H\x1b[0m\x1b[2K\x1b8";
}

// --- internal ---

function row(text: string, cols: number): string {
  return fitted(` rexec: ${text} `, cols);
}

/** As much of it as goes into a row, and nothing in the last column, which would put the cursor behind it. */
function fitted(text: string, cols: number): string {
  return Bun.stringWidth(text) < cols ? text : `${Bun.sliceAnsi(text, 0, Math.max(0, cols - 2))}…`;
}
