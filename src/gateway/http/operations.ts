/** What monitoring asks: is the gateway alive, can it do its work, and its figures. */
import { timingSafeEqual } from "node:crypto";
import { Hono } from "hono";
import { VERSION } from "../../lib/version.ts";
import { requirePermission } from "../auth/authenticate.ts";
import { bearerToken } from "../auth/credentials.ts";
import { hashToken } from "../auth/token.ts";
import { METRICS_TYPE, type Metrics } from "../metrics/metrics.ts";
import type { Readiness } from "../readiness.ts";
import { ApiError } from "./api-error.ts";
import { Cached } from "./cached.ts";
import { type ApiDeps, authenticate, type Env } from "./context.ts";

/** What the routes are made with. */
export interface OperationsDeps extends ApiDeps {
  metrics: Metrics;
  readiness: Readiness;
  /** Opens /metrics and nothing else; null where only administrators and this machine may scrape. */
  metricsToken: string | null;
}

/** Figures are read at most this often, milliseconds. */
const SCRAPE_MS = 1_000;

/** `/health`, `/ready` and `/metrics`. */
export function operationsRoutes(deps: OperationsDeps): Hono<Env> {
  const app = new Hono<Env>();
  const started = Date.now();
  const scrape = new Cached(() => deps.metrics.text(), SCRAPE_MS);
  const tokenHash = deps.metricsToken === null ? null : hashToken(deps.metricsToken);
  app.get("/health", (c) =>
    c.json({ status: "ok", version: VERSION, uptime_seconds: Math.floor((Date.now() - started) / 1000) }),
  );
  app.get("/ready", async (c) => {
    c.header("Cache-Control", "no-store");
    const reason = await deps.readiness.problem();
    if (reason === null) return c.json({ status: "ready" });
    return c.json({ status: "unavailable", reason }, 503, { "Retry-After": "1" });
  });
  app.get("/metrics", async (c) => {
    const token = bearerToken(c.req.raw.headers);
    if (token !== null && tokenHash !== null && isSame(hashToken(token), tokenHash)) {
      // It was made for this.
    } else if (token !== null || !c.env.isLocal) {
      const principal = await authenticate(c, deps);
      requirePermission(principal, "tokens:manage");
      if (!principal.user.is_admin)
        throw new ApiError(403, "not_admin", "an administrator may read these figures");
    }
    return c.body(await scrape.get(), 200, { "Content-Type": METRICS_TYPE, "Cache-Control": "no-store" });
  });
  return app;
}

// --- internal ---

/** Hashes, so that their comparison tells nothing of a token's length. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
