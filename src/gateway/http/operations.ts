/** What monitoring asks: is the gateway alive, can it do its work, and its figures. */
import { timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import * as z from "zod/mini";
import { VERSION } from "../../lib/version.ts";
import { bearerToken } from "../auth/credentials.ts";
import { hashToken } from "../auth/token.ts";
import { METRICS_TYPE } from "../metrics/metrics.ts";
import { type ApiDeps, authenticate, type Env } from "./context.ts";
import { type Route, route } from "./route.ts";

const healthAnswer = z.object({
  status: z.literal("ok"),
  version: z.string(),
  uptime_seconds: z.int(),
});

const readyAnswer = z.object({ status: z.literal("ready") });

export const operationsRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/health",
    action: "public",
    summary: "Tell that the gateway is alive",
    answer: healthAnswer,
    handle: ({ c, deps }) =>
      c.json({ status: "ok", version: VERSION, uptime_seconds: deps.operations.uptimeSeconds }),
  }),
  route({
    method: "GET",
    path: "/ready",
    action: "public",
    summary: "Tell whether the gateway can do its work now: 503 with a reason where it cannot",
    answer: readyAnswer,
    async handle({ c, deps }) {
      c.header("Cache-Control", "no-store");
      const reason = await deps.operations.readiness.problem();
      if (reason === null) return c.json({ status: "ready" });
      return c.json({ status: "unavailable", reason }, 503, { "Retry-After": "1" });
    },
  }),
  route({
    method: "GET",
    path: "/metrics",
    // For programs on this machine too, which have no credential: the handler decides.
    action: "public",
    summary: "Read the figures of the gateway, as text for Prometheus",
    async handle({ c, deps }) {
      await requireScraper(c, deps);
      const text = await deps.operations.scrape.get();
      return c.body(text, 200, { "Content-Type": METRICS_TYPE, "Cache-Control": "no-store" });
    },
  }),
];

// --- internal ---

/** A program on this machine, the token of /metrics, or an administrator. @throws ApiError 401, 403, 429 */
async function requireScraper(c: Context<Env>, deps: ApiDeps): Promise<void> {
  const token = bearerToken(c.req.raw.headers);
  if (token === null && c.env.isLocal) return;
  const { metricsTokenHash } = deps.operations;
  if (token !== null && metricsTokenHash !== null && isSame(hashToken(token), metricsTokenHash)) return;
  await deps.access.require(await authenticate(c, deps), "admin");
}

/** Of hashes, so that the time tells nothing of a token. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
