/** A door that is open, and can be shut for a while: whoever comes then waits. */
export class Gate {
  #shut: PromiseWithResolvers<void> | null = null;

  get isShut(): boolean {
    return this.#shut !== null;
  }

  shut(): void {
    this.#shut ??= Promise.withResolvers();
  }

  open(): void {
    this.#shut?.resolve();
    this.#shut = null;
  }

  /** Settles when it is open. */
  async passed(): Promise<void> {
    while (this.#shut) await this.#shut.promise;
  }
}
