/** A recording in pieces that open at once, made on request: asciinema-player's segmented form. */
import { type CastEvent, eventsIn, shownOf, sizeIn } from "../../protocol/cast.ts";
import type { Segment, SegmentIndex } from "../../protocol/http-recordings.ts";
import type { RecordingRow } from "../store/recordings.ts";
import { lineAt } from "./cast-lines.ts";
import { type IndexEntry, type KeyEntry, parseIndex } from "./index-file.ts";
import type { RecordingStorage } from "./storage.ts";

/** Where a segment begins. */
interface Place extends Omit<KeyEntry, "init"> {
  /** Null: the screen is drawn from the output before it. */
  init: string | null;
}

/** A piece without a keyframe in it is divided from so many bytes on: floods, and commands. */
const DIVIDED_BYTES = 2 * 1024 * 1024;
/** Pieces by division, at most. */
const MOST_DIVISIONS = 2_000;
/** Output that draws the screen of such a piece: far more than a screen has. */
const DRAWN_BYTES = 256 * 1024;
/** Most bytes of one segment: of a longer one the end is left out, and the next begins with its own screen. */
const MOST_SEGMENT_BYTES = 8 * 1024 * 1024;
/** Most bytes of an index that are read. */
const MOST_INDEX_BYTES = 64 * 1024 * 1024;

/** A recording's segments. Made for one request; methods reject with the storage's error. */
export class Segments {
  readonly #row: RecordingRow;
  readonly #storage: RecordingStorage;
  readonly #size: number;

  /** @param size of the cast */
  constructor(row: RecordingRow, storage: RecordingStorage, size: number) {
    this.#row = row;
    this.#storage = storage;
    this.#size = size;
  }

  async index(): Promise<SegmentIndex> {
    const entries = await this.#entries();
    const places = await this.#places(entries);
    const duration = this.#duration;
    const markers = entries.flatMap((entry): [number, string][] =>
      "m" in entry ? [[Math.min(rounded(entry.t), duration), entry.m]] : [],
    );
    return {
      version: 1,
      duration,
      term: { cols: this.#row.cols || 80, rows: this.#row.rows || 24 },
      ...(markers.length > 0 ? { markers } : {}),
      segments: places.map(({ t }, number) => ({ start: rounded(t), url: `segments/${number}.json` })),
    };
  }

  /** Null for a number that the index does not have. */
  async segment(number: number): Promise<Segment | null> {
    const places = await this.#places(await this.#entries());
    const place = places[number];
    if (!place) return null;
    const next = places[number + 1];
    const start = rounded(place.t);
    const end = next ? rounded(next.t) - 0.001 : this.#duration;
    const to = Math.min(next?.at ?? this.#size, place.at + MOST_SEGMENT_BYTES);
    const events = (await this.#events(place.at, to)).flatMap((event) => this.#shown(event, start, end));
    return {
      snapshot: { cols: place.cols, rows: place.rows, init: place.init ?? (await this.#drawn(place)) },
      events: [[start, "o", ""], ...events, ...(next ? [] : [closing(end)])],
    };
  }

  // --- internal ---

  /** Seconds, never 0: the player wants a last event behind the first. */
  get #duration(): number {
    return Math.max(0.001, rounded(this.#row.duration_ms));
  }

  async #entries(): Promise<IndexEntry[]> {
    const size = await this.#storage.size(this.#row.id, "idx");
    if (size === null) return []; // a short one has no keyframe
    const text = await this.#storage.part(this.#row.id, "idx", 0, Math.min(size, MOST_INDEX_BYTES)).text();
    return parseIndex(text, this.#size);
  }

  async #places(entries: readonly IndexEntry[]): Promise<Place[]> {
    const first = { t: 0, at: 0, cols: this.#row.cols || 80, rows: this.#row.rows || 24, init: "" };
    const places: Place[] = [first];
    const keys = entries.flatMap((entry) => ("at" in entry ? [entry] : []));
    const step = Math.max(DIVIDED_BYTES, Math.ceil(this.#size / MOST_DIVISIONS));
    for (const key of [...keys, null]) {
      await this.#divide(places, key?.at ?? this.#size, step);
      if (key) this.#add(places, key);
    }
    return places;
  }

  /** Pieces from the last place up to this one. */
  async #divide(places: Place[], to: number, step: number): Promise<void> {
    const from = places.at(-1) ?? { at: 0, cols: 80, rows: 24 };
    for (let at = from.at + step; to - at > step / 2; at += step) {
      const line = await lineAt(this.#storage, this.#row.id, at, to);
      if (line) this.#add(places, { ...line, t: line.ms, cols: from.cols, rows: from.rows, init: null });
    }
  }

  /** Only behind the last one, and before the end. */
  #add(places: Place[], { t, at, cols, rows, init }: Place): void {
    const last = places.at(-1);
    if (last && (rounded(t) <= rounded(last.t) || at <= last.at)) return;
    if (rounded(t) < this.#duration) places.push({ t, at, cols, rows, init });
  }

  async #events(from: number, to: number): Promise<CastEvent[]> {
    return eventsIn(await this.#storage.part(this.#row.id, "cast", from, to).text());
  }

  /** As the player takes it: within the segment's time. */
  #shown(event: CastEvent, start: number, end: number): [number, string, string][] {
    const [time, code, data] = event;
    const at = Math.min(Math.max(time, start), end);
    if (code === "r") return sizeIn(data) ? [[at, "r", data]] : [];
    const shown = shownOf(event, this.#row.kind === "run");
    return shown === "" ? [] : [[at, "o", shown]];
  }

  async #drawn({ at }: Place): Promise<string> {
    const events = await this.#events(Math.max(0, at - DRAWN_BYTES), at);
    return events.map((event) => shownOf(event, this.#row.kind === "run")).join("");
  }
}

// --- internal ---

function closing(at: number): [number, string, string] {
  return [at, "o", ""];
}

/** Milliseconds as seconds with three digits, which compare as they are written. */
function rounded(ms: number): number {
  return Math.round(ms) / 1000;
}
