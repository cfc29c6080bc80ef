/** Randomness that a seed repeats, and values that parsers like least. */

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 up to 1: mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** 0 up to `below`, a whole number. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(of: number): boolean {
    return this.next() < of;
  }

  pick<T>(from: readonly [T, ...T[]] | readonly T[]): T {
    const value = from[this.int(from.length)];
    if (value === undefined) throw new Error("nothing to pick from");
    return value;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 1) bytes[i] = this.int(256);
    return bytes;
  }

  /** Some bytes changed, left out, said twice or put in. */
  mutate(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const changed = [...bytes];
    for (let n = 1 + this.int(4); n > 0; n -= 1) {
      const at = this.int(changed.length + 1);
      const few = this.int(8);
      switch (this.int(4)) {
        case 0:
          changed[at] = this.int(256);
          break;
        case 1:
          changed.splice(at, few);
          break;
        case 2:
          changed.splice(at, 0, ...changed.slice(at, at + few));
          break;
        default:
          changed.splice(at, 0, ...this.bytes(few));
      }
    }
    return Uint8Array.from(changed);
  }

  /** A JSON value with some of its parts replaced, left out or added. */
  mangle(value: unknown, depth = 0): unknown {
    if (this.chance(0.12)) return this.#nasty(depth);
    if (Array.isArray(value)) {
      const items = value.filter(() => !this.chance(0.1)).map((item) => this.mangle(item, depth + 1));
      return this.chance(0.1) ? [...items, ...items, this.#nasty(depth)] : items;
    }
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).filter(() => !this.chance(0.06));
    const mangled = entries.map(([key, item]): [string, unknown] => [key, this.mangle(item, depth + 1)]);
    if (this.chance(0.1)) mangled.push([this.pick(ODD_KEYS), this.#nasty(depth)]);
    return Object.fromEntries(mangled);
  }

  #nasty(depth: number): unknown {
    if (depth < 6 && this.chance(0.1)) return [this.#nasty(depth + 1), { a: this.#nasty(depth + 1) }];
    if (this.chance(0.05)) return this.pick(["x", "\u001b[2J", "é", "\0"]).repeat(this.int(200_000));
    return this.pick(NASTY);
  }
}

const ODD_KEYS = ["__proto__", "constructor", "toString", "length", "type", "data", "channel", "session", ""];

const NASTY: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  "",
  "0",
  "..",
  ".",
  "main",
  "/",
  "%2e%2e%2f",
  "a\nb",
  "\u001b]0;x\u0007",
  "\u009b2J",
  "\u202e",
  "\ud800",
  "[object Object]",
  [],
  {},
  [[[[[[]]]]]],
];
