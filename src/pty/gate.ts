/** Pauses its callers while it is shut. Open at first. Owned by the PTY that pauses its reads. */
export class Gate {
  #shut: PromiseWithResolvers<void> | null = null;

  shut(): void {
    this.#shut ??= Promise.withResolvers();
  }

  open(): void {
    this.#shut?.resolve();
    this.#shut = null;
  }

  /** Resolves when it is open. */
  async passed(): Promise<void> {
    while (this.#shut) await this.#shut.promise;
  }
}
