/** The one size of a session: who decides it, who is told of it, and a program made to draw itself anew by it. */
import type { TerminalSize } from "../../screen/engine.ts";
import { Sizes } from "./sizes.ts";

export interface SessionSizeEvents {
  /** To the agent, where it listens. */
  send(size: TerminalSize): void;
  /** @param by the viewer whose size it is now */
  changed(size: TerminalSize, by: string): void;
}

/** A program has seen within this that its size changed, milliseconds. */
const NUDGE_MS = 60;

export class SessionSize {
  readonly #claims = new Sizes();
  readonly #graceMs: number;
  readonly #events: SessionSizeEvents;
  #size: TerminalSize;
  /** It is our viewers' will, and the agent has to be told of it again when it is back. */
  #isOurs = false;

  /** @param graceMs for a viewer that dropped off */
  constructor({ cols, rows }: TerminalSize, graceMs: number, events: SessionSizeEvents) {
    this.#size = { cols, rows };
    this.#graceMs = graceMs;
    this.#events = events;
  }

  get current(): TerminalSize {
    return this.#size;
  }

  /** What a viewer's terminal measures. */
  measured(viewer: string, size: TerminalSize): void {
    const now = performance.now();
    this.#claims.measured(viewer, size, now);
    this.apply(now);
  }

  /** A viewer typed: the session has its size from now on. */
  typed(viewer: string): void {
    const now = performance.now();
    this.#claims.typed(viewer, now);
    this.apply(now);
  }

  left(viewer: string, announced: boolean): void {
    const now = performance.now();
    this.#claims.left(viewer, now, announced ? 0 : this.#graceMs);
    this.apply(now);
  }

  /** The agent is there (again). @param size what the PTY has now */
  connected(size: TerminalSize): void {
    const same = this.#size.cols === size.cols && this.#size.rows === size.rows;
    if (same) return;
    if (this.#isOurs) this.#events.send(this.#size);
    else this.become(size, "");
  }

  /** Somebody who is not ours has changed it. False where it is as it was. */
  become({ cols, rows }: TerminalSize, by: string): boolean {
    if (this.#size.cols === cols && this.#size.rows === rows) return false;
    this.#size = { cols, rows };
    this.#events.changed(this.#size, by);
    return true;
  }

  /** To be called now and then, for those whose grace is over. */
  apply(now: number): void {
    const best = this.#claims.current(now);
    if (!best || !this.become(best.size, best.by)) return;
    this.#isOurs = true;
    this.#events.send(best.size);
  }

  /** A full-screen program draws itself anew when its size changes: what it drew in a gap is nowhere else. */
  nudge(): void {
    const { cols, rows } = this.#size;
    if (rows < 2) return;
    this.#events.send({ cols, rows: rows - 1 });
    setTimeout(() => this.#events.send(this.#size), NUDGE_MS);
  }
}
