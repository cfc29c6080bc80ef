/** The terminal size of a session: chosen from its viewers' sizes, and sent to the agent. */
import type { TerminalSize } from "../../screen/engine.ts";
import { Sizes } from "./sizes.ts";

/** What the owner of a session size does for it. */
export interface SessionSizeEvents {
  /** Sends it to the agent, where that is connected. */
  send(size: TerminalSize): void;
  /** The session has another size. @param by the viewer whose size it is; empty for the agent's */
  changed(size: TerminalSize, by: string): void;
  /** Whether the viewer has a say in it. */
  counts(viewer: string): boolean;
}

/** Time in which a program notices that its size changed, milliseconds. */
const NUDGE_MS = 60;

/** The one size of a session, in columns and rows. Owned by its mirror. */
export class SessionSize {
  readonly #claims = new Sizes();
  readonly #graceMs: number;
  readonly #events: SessionSizeEvents;
  #size: TerminalSize;
  /** A viewer of this gateway chose it: the agent is told again when it reconnects. */
  #isOurs = false;

  /** @param graceMs grace period of a viewer that dropped off */
  constructor({ cols, rows }: TerminalSize, graceMs: number, events: SessionSizeEvents) {
    this.#size = { cols, rows };
    this.#graceMs = graceMs;
    this.#events = events;
  }

  get current(): TerminalSize {
    return this.#size;
  }

  /** A viewer attached, or its terminal has another size. */
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

  /** The agent connected. @param size of its PTY */
  connected(size: TerminalSize): void {
    const same = this.#size.cols === size.cols && this.#size.rows === size.rows;
    if (same) return;
    if (this.#isOurs) this.#events.send(this.#size);
    else this.become(size, "");
  }

  /** The agent reports another size. @returns false where it is the current one */
  become({ cols, rows }: TerminalSize, by: string): boolean {
    if (this.#size.cols === cols && this.#size.rows === rows) return false;
    this.#size = { cols, rows };
    this.#events.changed(this.#size, by);
    return true;
  }

  /** Chooses the size again. Call it every tick, since grace periods end. */
  apply(now: number): void {
    const best = this.#claims.current(now, this.#events.counts);
    if (!best || !this.become(best.size, best.by)) return;
    this.#isOurs = true;
    this.#events.send(best.size);
  }

  /** Makes a full-screen program redraw, by a change of its size: its output in a gap is lost. */
  nudge(): void {
    const { cols, rows } = this.#size;
    if (rows < 2) return;
    this.#events.send({ cols, rows: rows - 1 });
    setTimeout(() => this.#events.send(this.#size), NUDGE_MS);
  }
}
