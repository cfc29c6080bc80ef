/**
 * What `GET /metrics` answers: families of figures that their owners declare, read when they are asked for. Nothing is
 * kept here, so a figure costs nothing until it is read.
 */
import { messageOf } from "../../lib/errors.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";

/** A figure, or one for each value of the family's label. */
export type Figures = number | Readonly<Record<string, number>>;

/** A family of figures. */
export interface Family {
  /** `rexec_…` with the unit at its end (`_bytes`, `_seconds`); a counter ends in `_total`. */
  name: string;
  /** One sentence. */
  help: string;
  type: "gauge" | "counter";
  /** The name of the label where `read` answers several figures: of few values, which no peer chooses. */
  label?: string;
  /** Called at most once a second. Where it throws or takes longer than a second, the family is left out. */
  read(): Figures | Promise<Figures>;
}

/** Figures of one family; what is beyond is left out. */
const MOST_FIGURES = 64;
/** A family that takes longer is left out, milliseconds. */
const READ_MS = 1_000;

/** The families of a gateway. Owned by the gateway; each part adds its own at the start. */
export class Metrics {
  readonly #families = new Map<string, Family>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @throws Error for a name that breaks the conventions, or that is there already */
  add(...families: readonly Family[]): void {
    for (const family of families) {
      const { name, type } = family;
      const isNamed =
        /^(rexec|process)(_[a-z0-9]+)+$/.test(name) && name.endsWith("_total") === (type === "counter");
      if (!isNamed || this.#families.has(name)) throw new Error(`${name} cannot be the name of a ${type}`);
      this.#families.set(name, family);
    }
  }

  /** All families in the text format of Prometheus, version 0.0.4. Never rejects for a family that fails. */
  async text(): Promise<string> {
    // Loaded with the first scrape: it takes 17 ms.
    const { Counter, Gauge, Registry } = await import("prom-client");
    const registry = new Registry();
    const read = await Promise.all([...this.#families.values()].map((family) => this.#read(family)));
    for (const { family, figures } of read.filter((each) => each !== null)) {
      const { name, help, type, label } = family;
      const options = { name, help, labelNames: label === undefined ? [] : [label], registers: [registry] };
      const metric = type === "counter" ? new Counter(options) : new Gauge(options);
      for (const [labels, figure] of figures) metric.inc(labels, figure);
    }
    return registry.metrics();
  }

  // --- internal ---

  async #read(family: Family) {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${READ_MS} ms`)), READ_MS);
    try {
      return { family, figures: labelled(family, await Promise.race([family.read(), late])) };
    } catch (error) {
      const line = `cannot read ${family.name}: ${messageOf(error)}`;
      gather(this.#logger, { level: "warn", kind: "metrics", who: family.name }, line);
      return null;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The type of the answer. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

// --- internal ---

function labelled({ label }: Family, answer: Figures): [Record<string, string>, number][] {
  if (typeof answer === "number") return [[{}, answer]];
  if (label === undefined) throw new Error("several figures, and no label to tell them apart");
  const figures = Object.entries(answer).slice(0, MOST_FIGURES);
  return figures.map(([value, figure]) => [{ [label]: value }, figure]);
}
