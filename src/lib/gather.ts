/**
 * Summarizes log lines that a peer can cause at will. The first lines of a cause are written at once; the rest of an
 * interval is counted, and its last line is written with the count.
 */
import type { LogFields, Logger } from "./log.ts";

/** ms */
export const GATHER_INTERVAL_MS = 10_000;
/** Peers of one kind that are counted one by one within an interval; the rest is counted together. */
export const GATHERED_PEERS = 64;

/** What a line is counted under, and how many lines are written at once. */
export interface Cause {
  level: keyof Logger;
  /** The kind of event: a constant of the caller's, so that there are few. */
  kind: string;
  /** The peer that caused it: an address, an agent's id. */
  who: string;
  /** Lines of an interval that are written at once, default 1. */
  atOnce?: number;
  /** What a JSON line has beside the text, of a line that is written at once. */
  fields?: LogFields;
  /** Peers that are counted one by one, default `GATHERED_PEERS`. */
  peers?: number;
}

/** Writes the line to the logger, or counts it. One table for each logger, bounded in kinds and peers. */
export function gather(logger: Logger, cause: Cause, line: string, intervalMs = GATHER_INTERVAL_MS): void {
  const known = gatherers.get(logger);
  const gatherer = known ?? new Gatherer(logger, intervalMs);
  if (!known) gatherers.set(logger, gatherer);
  gatherer.say(cause, line);
}

// --- internal ---

interface Tally {
  level: keyof Logger;
  said: number;
  hidden: number;
  last: string;
}

interface Kind {
  peers: Map<string, Tally>;
  /** Lines of peers that have no place of their own. */
  others: number;
}

/** Counts of one kind that are said at the end of one interval, the largest first; the rest is summed up. */
const SUMMARIES = 5;
/** Of the line that is shown with the count, characters. */
const LAST_CHARS = 500;

const gatherers = new WeakMap<Logger, Gatherer>();

class Gatherer {
  readonly #logger: Logger;
  readonly #intervalMs: number;
  readonly #kinds = new Map<string, Kind>();
  #timer: Timer | null = null;

  constructor(logger: Logger, intervalMs: number) {
    this.#logger = logger;
    this.#intervalMs = intervalMs;
  }

  say({ level, kind: name, who, atOnce = 1, fields, peers = GATHERED_PEERS }: Cause, line: string): void {
    const kind = this.#kinds.get(name) ?? { peers: new Map(), others: 0 };
    this.#kinds.set(name, kind);
    this.#timer ??= this.#start();
    const known = kind.peers.get(who);
    if (!known && kind.peers.size >= peers) {
      kind.others += 1;
      return;
    }
    const tally = known ?? { level, said: 0, hidden: 0, last: "" };
    kind.peers.set(who, tally);
    if (tally.said < atOnce) {
      tally.said += 1;
      this.#logger[level](line, ...(fields ? [fields] : []));
    } else {
      tally.hidden += 1;
      tally.last = line.slice(0, LAST_CHARS);
    }
  }

  #start(): Timer {
    const timer = setTimeout(() => {
      this.#timer = null;
      for (const [name, kind] of [...this.#kinds]) this.#sumUp(name, kind);
      if (this.#kinds.size > 0) this.#timer = this.#start();
    }, this.#intervalMs);
    timer.unref();
    return timer;
  }

  #sumUp(name: string, { peers, others }: Kind): void {
    const busy = [...peers].filter(([, { hidden }]) => hidden > 0);
    busy.sort(([, one], [, other]) => other.hidden - one.hidden);
    const within = `within ${this.#intervalMs / 1000} s`;
    for (const [, { level, hidden, last }] of busy.slice(0, SUMMARIES)) {
      this.#logger[level](`${hidden} more like this ${within}: ${last}`);
    }
    const rest = busy.slice(SUMMARIES).reduce((sum, [, { hidden }]) => sum + hidden, others);
    if (rest > 0) this.#logger.warn(`${rest} more lines ${within} are left out (${name})`);
    // A cause that goes on stays counted; one that rested for an interval is written at once again.
    const kept = busy.map(([who, { level, said }]) => [who, { level, said, hidden: 0, last: "" }] as const);
    if (kept.length > 0) this.#kinds.set(name, { peers: new Map(kept), others: 0 });
    else this.#kinds.delete(name);
  }
}
