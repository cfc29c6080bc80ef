/** A snapshot of the remote screen: put together, and put in the place of what the local terminal shows. */
import { ProtocolError } from "../stream/channel.ts";

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

/** The pieces of one snapshot, at most 16 MiB. `ShellChannel` owns it until it is complete. */
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
   * With lines of ours over one row of it. Where the gateway says what draws they come right behind that, so that they change nothing
   * but their rows: not the cursor that the program saved, and no mode of the program's changes them.
   */
  with(lines: readonly string[], cols: number, row = 1): Uint8Array {
    const { drawn } = this.head;
    const { bytes } = this;
    if (lines.length === 0) return bytes;
    if (drawn === undefined || drawn > bytes.length)
      return Buffer.concat([bytes, ...lines.map((line) => Buffer.from(overlay(line, cols, row)))]);
    const own = lines.map((line) => Buffer.from(rowOf(line, cols, row)));
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
  // A reset (ESC c) would throw away the scrollback of the user's own terminal. Margins come last: they home the cursor.
  return `${undo}\x1b[0m\x1b(B\x0f\r${"\n".repeat(rows)}\x1b[r\x1b[?6l\x1b[?7h\x1b[4l\x1b[H\x1b[J`;
}

/** A line within the output. */
export function marker(text: string): string {
  return `\x1b[0m\r\n\x1b[7m rexec: ${text} \x1b[0m\r\n`;
}

/**
 * A line over one row, which leaves the cursor and its attributes where they were.
 * @param cols of the terminal: what does not fit would cover a second row
 */
export function overlay(text: string, cols: number, row = 1): string {
  return `\x1b7${rowOf(text, cols, row)}\x1b8`;
}

/**
 * A row for an overlay that hides no prompt: the first, or the last where the snapshot leaves the cursor on the first.
 * @param rows of the terminal
 * @param sessionRows of the session: what is more than the terminal has moves the snapshot's text up
 */
export function freeRow(snapshot: Uint8Array, rows: number, sessionRows: number): number {
  const text = Buffer.from(snapshot).toString("latin1", Math.max(0, snapshot.length - CURSOR_WITHIN));
  const row = Number(text.match(CURSOR_PLACES)?.at(-1)?.match(/\d+/)?.[0] ?? 2);
  return row <= 1 + Math.max(0, sessionRows - rows) ? rows : 1;
}

/** Takes an overlay away; what stood under it is not known here. */
export function clearOverlay(): string {
  return "\x1b7\x1b[1;1H\x1b[0m\x1b[2K\x1b8";
}

// --- internal ---

function rowOf(text: string, cols: number, row: number): string {
  return `\x1b[${row};1H\x1b[0;7m${fitted(` rexec: ${text} `, cols)}\x1b[0m\x1b[K`;
}

/** Bytes at the end of a snapshot among which the cursor is put in its place. */
const CURSOR_WITHIN = 512;
const CURSOR_PLACES = /\x1b\[\d+;\d+H/g;

/** As much of it as goes into a row, and nothing in the last column, which would put the cursor behind it. */
function fitted(text: string, cols: number): string {
  return Bun.stringWidth(text) < cols ? text : `${Bun.sliceAnsi(text, 0, Math.max(0, cols - 2))}…`;
}
