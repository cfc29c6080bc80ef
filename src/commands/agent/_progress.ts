/** A progress bar of a download; nothing where stderr is no terminal. */
import { say, writeErr } from "../_cli.ts";

/** A bar on stderr; `done` and `total` are bytes. */
export interface ProgressBar {
  show(done: number, total: number | null): void;
  /** A line of its own, above the bar. */
  say(line: string): void;
  end(): void;
}

/** How often it is drawn, ms. */
const DRAW_MS = 100;
const CELLS = 24;

export function progressBar(stream: NodeJS.WriteStream): ProgressBar {
  if (!stream.isTTY || process.env.TERM === "dumb") return { show() {}, say, end() {} };
  let isDrawn = false;
  let drawnAt = 0;
  let begin: { at: number; done: number } | null = null;
  const clear = () => {
    if (isDrawn) writeErr("\r\x1b[K").catch(() => {});
    isDrawn = false;
  };
  return {
    show(done, total) {
      const now = performance.now();
      begin ??= { at: now, done };
      if (now - drawnAt < DRAW_MS && done !== total) return;
      drawnAt = now;
      isDrawn = true;
      const rate = ((done - begin.done) / Math.max(1, now - begin.at)) * 1000;
      const shown = line(done, total, rate).slice(0, Math.max(1, (stream.columns || 80) - 1));
      writeErr(`\r\x1b[K${shown}`).catch(() => {});
    },
    say(text) {
      clear();
      say(text);
    },
    end: clear,
  };
}

// --- internal ---

/** @param rate bytes a second */
function line(done: number, total: number | null, rate: number): string {
  const speed = `${megabytes(rate)} MB/s`;
  if (!total) return `${megabytes(done)} MB  ${speed}`;
  const part = Math.min(1, done / total);
  const full = Math.round(part * CELLS);
  const bar = `[${"=".repeat(full)}${" ".repeat(CELLS - full)}]`;
  return `${bar} ${String(Math.floor(part * 100)).padStart(3)} %  ${megabytes(done)}/${megabytes(total)} MB  ${speed}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
