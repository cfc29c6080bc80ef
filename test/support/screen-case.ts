/** One random case: a session's output is cut somewhere, and who attaches there must have what others have. */
import type { Terminal } from "@xterm/headless";
import { isErased, lookOf } from "../../src/screen/attributes.ts";
import { Beyond } from "../../src/screen/beyond.ts";
import { makeTerminal, ScreenEngine } from "../../src/screen/engine.ts";
import { type Core, coreOf, type Line } from "../../src/screen/xterm-core.ts";
import { Prng } from "../chaos/prng.ts";
import { factsOf } from "./terminal-facts.ts";
import { randomStream, type StreamPart, type StreamSize } from "./terminal-stream.ts";

/** A terminal that a person sits at. */
class Seen {
  readonly terminal: Terminal;
  readonly core: Core;
  readonly beyond: Beyond;

  constructor(size: StreamSize, scrollback: number) {
    this.terminal = makeTerminal(size, scrollback);
    this.core = coreOf(this.terminal);
    this.beyond = new Beyond(this.terminal, this.core);
  }

  take(part: StreamPart): void {
    if ("size" in part) this.terminal.resize(part.size.cols, part.size.rows);
    else this.core.writeSync(part.bytes);
  }

  facts(): string[] {
    return factsOf(this.core, this.beyond);
  }
}

/** Where the two differ, or null. */
export interface Difference {
  when: "at once" | "later";
  live: string;
  attached: string;
  /** As a program would write it. */
  stream: string;
}

/** @param scrollback lines above the screen, at the gateway and at the viewers' terminals */
export function screenCase(seed: number, length = 60, scrollback = 200): Difference | null {
  const random = new Prng(seed);
  const { size, parts } = randomStream(random, 1 + random.whole(0, length));
  const { before, after } = cut(parts, random);
  const live = new Seen(size, scrollback);
  const engine = new ScreenEngine(size, scrollback);
  let tail = new Uint8Array(0);
  for (const part of before) {
    live.take(part);
    if ("size" in part) engine.resize(part.size);
    else {
      engine.write(part.bytes);
      tail = new Uint8Array([...tail, ...part.bytes]);
    }
  }
  if (isLost(engine.core)) return null;
  tail = tail.subarray(tail.length - engine.openBytes);
  const attached = new Seen({ cols: engine.core.cols, rows: engine.core.rows }, scrollback);
  const snapshot = engine.serialize({ scrollback, limit: Infinity });
  attached.core.writeSync(snapshot);
  attached.take({ bytes: tail });
  const stream = () => [size, ...before, "CUT", ...after].map(shown).join(" ");
  const atOnce = difference(live, attached);
  if (atOnce) return { when: "at once", ...atOnce, stream: `${stream()}\n${JSON.stringify(snapshot)}` };
  for (const part of after) {
    live.take(part);
    attached.take(part);
  }
  const later = difference(live, attached);
  for (const each of [live, attached, engine]) each.terminal.dispose();
  return later && { when: "later", ...later, stream: `${stream()}\n${JSON.stringify(snapshot)}` };
}

// --- internal ---

/**
 * What no sequence brings about: a cursor that was saved outside of the screen, one behind the last column of the
 * alternate screen where nothing is in that column any more, and rows that xterm.js has left in disorder by a change of
 * size. About one case in eight.
 */
function isLost(core: Core): boolean {
  const { buffers, cols, rows } = core;
  const { normal, active, alt } = buffers;
  if ([normal, alt].some(({ savedX, savedY, ybase }) => savedX >= cols || savedY - ybase >= rows))
    return true;
  if (active === alt && alt.x >= cols && alt.lines.get(alt.y)?.getString(cols - 1) === "") return true;
  // The oldest row goes on from one that is gone.
  if (normal.lines.get(0)?.isWrapped || alt.lines.get(0)?.isWrapped) return true;
  for (const { lines } of [normal, alt])
    for (let row = 0; row < lines.length; row += 1) if (isDisorderly(core, lines.get(row))) return true;
  return false;
}

function isDisorderly({ cols, unicodeService }: Core, line: Line | undefined): boolean {
  if (!line) return false;
  // Two blank cells in colours at the end of a row.
  const [last, before] = [cols - 1, cols - 2].map((column) => {
    const look = lookOf(line.getFg(column), line.getBg(column), line.getExtended(column));
    return line.getString(column) === "" && line.getWidth(column) === 1 && !isErased(look);
  });
  if (line.length !== cols || (last && before)) return true;
  for (let column = 0; column < cols; column += 1) {
    const [text, width] = [line.getString(column), line.getWidth(column)];
    if (width === 2 && line.getWidth(column + 1) !== 0) return true;
    if (width === 0 && text === "" && line.getWidth(column - 1) !== 2) return true;
    let state = 0;
    for (const char of text) state = unicodeService.charProperties(char.codePointAt(0) ?? 0, state);
    if (text !== "" && ((state >> 1) & 3) !== width) return true;
  }
  return false;
}

/** In two, at any byte. */
function cut(parts: readonly StreamPart[], random: Prng): { before: StreamPart[]; after: StreamPart[] } {
  const at = random.whole(0, parts.length - 1);
  const before = parts.slice(0, at);
  const after = parts.slice(at + 1);
  const middle = parts[at];
  if (middle && "bytes" in middle) {
    const byte = random.whole(0, middle.bytes.length);
    before.push({ bytes: middle.bytes.subarray(0, byte) });
    after.unshift({ bytes: middle.bytes.subarray(byte) });
  } else if (middle) after.unshift(middle);
  return { before, after };
}

function difference(live: Seen, attached: Seen): { live: string; attached: string } | null {
  const [a, b] = [live.facts(), attached.facts()];
  const at = a.findIndex((fact, index) => fact !== b[index]);
  return at < 0 && a.length === b.length ? null : { live: a[at] ?? "nothing", attached: b[at] ?? "nothing" };
}

function shown(part: StreamPart | StreamSize | string): string {
  if (typeof part === "string") return part;
  if ("cols" in part) return `[${part.cols}x${part.rows}]`;
  return "size" in part ? shown(part.size) : JSON.stringify(Buffer.from(part.bytes).toString());
}
