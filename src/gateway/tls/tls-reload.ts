/** Takes over a renewed certificate while the gateway runs: by a watch of its folders, by looking, and when asked. */
import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { readTlsPair, type TlsFiles, type TlsPair } from "./tls-pair.ts";

/** What follows the files. */
export interface TlsReloadOptions {
  files: TlsFiles;
  /** Has new connections use the pair. It may throw: the one of before stays then. */
  apply(pair: TlsPair): void;
  logger: Logger;
  /** How often the files are read without a sign of a change, ms: a watch sees nothing of some network file systems. */
  pollMs: number;
  /** Time without a further change before they are read, ms: the two files are not written in one step. */
  settleMs: number;
}

/** Follows the two files of a gateway, until `stop`. Owned by the gateway. */
export class TlsReload {
  readonly #options: TlsReloadOptions;
  readonly #watchers: FSWatcher[] = [];
  readonly #poll: Timer;
  #settle: Timer | null = null;
  #current: TlsPair;
  /** The problem that was logged last: each is logged once. */
  #problem: string | null = null;

  /** @throws RexecError `bad_tls` */
  constructor(options: TlsReloadOptions) {
    this.#options = options;
    this.#current = readTlsPair(options.files);
    if (this.#current.warning) options.logger.warn(this.#current.warning);
    this.#poll = setInterval(() => this.#look(), options.pollMs);
    this.#poll.unref();
    for (const folder of new Set([options.files.cert, options.files.key].map(dirname))) this.#watch(folder);
  }

  get current(): TlsPair {
    return this.#current;
  }

  /** Looks now, and says also that nothing has changed. */
  reload(): void {
    this.#problem = null;
    if (!this.#look()) this.#options.logger.info("the certificate and its key have not changed");
  }

  stop(): void {
    clearInterval(this.#poll);
    if (this.#settle) clearTimeout(this.#settle);
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  // --- internal ---

  /** The folder, and not the file, for a renewed one often is another file, or another link, of the same name. */
  #watch(folder: string): void {
    const { logger, settleMs } = this.#options;
    try {
      const watcher = watch(folder, () => {
        if (this.#settle) clearTimeout(this.#settle);
        this.#settle = setTimeout(() => this.#look(), settleMs);
      });
      watcher.on("error", () => watcher.close()); // the folder is gone: looking goes on
      this.#watchers.push(watcher);
    } catch (error) {
      logger.debug(`cannot watch ${folder}: ${messageOf(error)}`);
    }
  }

  /** @returns whether there was something to say */
  #look(): boolean {
    const { files, apply, logger } = this.#options;
    try {
      const pair = readTlsPair(files);
      if (pair.cert === this.#current.cert && pair.key === this.#current.key) {
        this.#problem = null;
        return false;
      }
      const former = this.#current;
      this.#current = pair;
      try {
        apply(pair);
      } catch (error) {
        this.#current = former;
        throw error;
      }
      this.#problem = null;
      logger.info(`new connections get the new certificate: ${pair.about}`);
      if (pair.warning) logger.warn(pair.warning);
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) {
        logger.error(`${problem}. The certificate of before stays in use (${this.#current.about})`);
      }
      this.#problem = problem;
    }
    return true;
  }
}
