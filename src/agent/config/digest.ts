/** Tells whether a running agent works by what its configuration file says now. */
import type { AgentConfig } from "./config.ts";

/**
 * The same for the same settings and the same token; says nothing about either.
 * @param token the one in use, where it was replaced since the file was read
 */
export function configDigest(config: AgentConfig, token = config.token): string {
  // Sorted: what comes from elsewhere (an option, the environment) may be in another order.
  const settings = Object.entries({ ...config, token, tokenOrigin: undefined })
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, 16);
}
