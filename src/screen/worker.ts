/** The program of a worker thread: a shell's output may keep it busy or end it, but not the gateway. */
import { ScreenEngine } from "./engine.ts";
import type { SerializedScreen } from "./serialize.ts";
import type { ScreenAnswer, ScreenTask, ThreadSetup } from "./task.ts";

declare const self: Worker;

const engines = new Map<number, ScreenEngine>();
let heapBytes = Infinity;
const encoder = new TextEncoder();

self.onmessage = ({ data }: MessageEvent<ScreenTask | ThreadSetup>) => {
  if ("heapBytes" in data) {
    heapBytes = data.heapBytes;
    return;
  }
  let answer: ScreenAnswer = null;
  try {
    answer = done(data);
  } catch {
    forget(data.screen);
  }
  const transfer = answer?.snapshot ? [answer.snapshot.bytes.buffer] : [];
  self.postMessage(answer, transfer);
};
self.postMessage("ready");

// --- internal ---

function done(task: ScreenTask): ScreenAnswer {
  const started = performance.now();
  if (task.open) {
    forget(task.screen);
    engines.set(task.screen, new ScreenEngine(task.open.size, task.open.scrollback));
  }
  const engine = engines.get(task.screen);
  if (!engine) return null;
  if (task.resize) engine.resize(task.resize);
  if (task.lost) engine.cancel();
  if (task.bytes) engine.write(task.bytes);
  const { cols, rows } = engine.core;
  const snapshot = task.snapshot ? { ...encoded(engine.serializeParts(task.snapshot)), cols, rows } : null;
  const { openBytes, isAlternate, weight } = engine;
  if (task.close) forget(task.screen);
  return { openBytes, isAlternate, weight, heap: heap(), ms: performance.now() - started, snapshot };
}

function encoded({ drawn, state }: SerializedScreen): { bytes: Uint8Array<ArrayBuffer>; drawn: number } {
  return { bytes: encoder.encode(drawn + state), drawn: Buffer.byteLength(drawn) };
}

function forget(screen: number): void {
  engines.get(screen)?.dispose();
  engines.delete(screen);
}

function heap(): number {
  const { heapUsed } = process.memoryUsage();
  if (heapUsed <= heapBytes) return heapUsed;
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}
