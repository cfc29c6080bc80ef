/** Takes the connection down for a while: for what must not be disturbed, and then goes on or ends the process. */
export class Pause {
  #on: { down: PromiseWithResolvers<void>; over: PromiseWithResolvers<void> } | null = null;
  /** Ends the connection that stands, or the wait for the next; set by the uplink. */
  onBegin = (_reason: string): void => {};

  get isOn(): boolean {
    return this.#on !== null;
  }

  /**
   * @param reason for the server
   * @returns settles when the connection is closed: properly, if the server takes part in it
   */
  begin(reason: string): Promise<void> {
    this.#on ??= { down: Promise.withResolvers(), over: Promise.withResolvers() };
    this.onBegin(reason);
    return this.#on.down.promise;
  }

  /** The agent connects again. */
  end(): void {
    this.#on?.over.resolve();
    this.#on = null;
  }

  /** For the uplink, which is down: settles when it may dial. */
  async passed(): Promise<void> {
    this.#on?.down.resolve();
    await this.#on?.over.promise;
  }
}
