/** What the gateway's operator watches: whether it works, and its figures. */

import type { Logger } from "../lib/log.ts";
import { hashToken } from "./auth/token.ts";
import { Cached } from "./http/cached.ts";
import { gatewayFamilies, type Measured } from "./metrics/families.ts";
import { LoopLag } from "./metrics/loop-lag.ts";
import { Metrics } from "./metrics/metrics.ts";
import { processFamilies } from "./metrics/process.ts";
import { Readiness } from "./readiness.ts";
import { startRevocationWatch } from "./revocation-watch.ts";

/** What is watched. */
export interface OperationsOptions extends Omit<Measured, "lag"> {
  /** Opens /metrics and nothing else; undefined where only administrators and this machine may scrape. */
  metricsToken?: string | undefined;
  logger: Logger;
}

/** Figures are read at most this often, milliseconds. */
const SCRAPE_MS = 1_000;

/** Owned by the gateway, which stops it first of all. */
export class Operations {
  /** Other parts add their families. */
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** SHA-256 of the token of /metrics, in hex. */
  readonly metricsTokenHash: string | null;
  /** The text of /metrics. */
  readonly scrape: Cached<string>;
  readonly #lag = new LoopLag();
  readonly #stopWatch: () => void;
  readonly #started = performance.now();

  constructor({ metricsToken, logger, ...measured }: OperationsOptions) {
    this.metrics = new Metrics(logger);
    this.metrics.add(...gatewayFamilies({ ...measured, lag: this.#lag }), ...processFamilies);
    this.readiness = new Readiness(measured.store, logger);
    this.metricsTokenHash = metricsToken === undefined ? null : hashToken(metricsToken);
    this.#stopWatch = startRevocationWatch({ store: measured.store, directory: measured.hub, logger });
    this.scrape = new Cached(() => this.metrics.text(), SCRAPE_MS);
  }

  get uptimeSeconds(): number {
    return Math.floor((performance.now() - this.#started) / 1000);
  }

  stop(): void {
    this.readiness.stop();
    this.#lag.stop();
    this.#stopWatch();
  }
}
