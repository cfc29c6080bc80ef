/**
 * The viewers of an agent: those that are connected, and those whose line broke and that are likely to be back. For an
 * ephemeral agent, which leaves after its last viewer.
 */
export class Attendance {
  /** By the viewers' own ids; a timer for one that dropped off. */
  readonly #viewers = new Map<string, Timer | null>();
  readonly #viewerGraceMs: number;
  readonly #tell: (count: number) => void;

  /**
   * @param viewerGraceMs how long one that dropped off still counts
   * @param tell told of each new count
   */
  constructor(viewerGraceMs: number, tell: (count: number) => void) {
    this.#viewerGraceMs = viewerGraceMs;
    this.#tell = tell;
  }

  get count(): number {
    return this.#viewers.size;
  }

  entered(id: string): void {
    const before = this.count;
    this.#stopTimer(id);
    this.#viewers.set(id, null);
    if (this.count !== before) this.#tell(this.count);
  }

  /** @param forGood it said goodbye */
  left(id: string, forGood: boolean): void {
    if (!this.#viewers.has(id)) return;
    this.#stopTimer(id);
    if (forGood) this.#forget(id);
    else
      this.#viewers.set(
        id,
        setTimeout(() => this.#forget(id), this.#viewerGraceMs),
      );
  }

  close(): void {
    for (const id of this.#viewers.keys()) this.#stopTimer(id);
    this.#viewers.clear();
  }

  // --- internal ---

  #stopTimer(id: string): void {
    const timer = this.#viewers.get(id);
    if (timer) clearTimeout(timer);
  }

  #forget(id: string): void {
    if (this.#viewers.delete(id)) this.#tell(this.count);
  }
}
