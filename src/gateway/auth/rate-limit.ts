/** Limits failures for each address. */
import { networkOf } from "../../lib/network-of.ts";

/** The size of a token bucket, and how many buckets are kept. */
export interface RateLimitOptions {
  /** Failures in a row before an address has to wait. */
  burst: number;
  /** Milliseconds until one more failure is allowed. */
  refillMs: number;
  /** Addresses that are kept; beyond, the one whose last failure is oldest is forgotten. */
  maxAddresses: number;
}

export const FAILED_LOGINS: RateLimitOptions = { burst: 10, refillMs: 6_000, maxAddresses: 10_000 };

/**
 * Attempts to sign in by a password. An account has more than an address: one address alone cannot keep a user out.
 */
export const SIGN_INS_OF_ADDRESS: RateLimitOptions = { burst: 10, refillMs: 6_000, maxAddresses: 10_000 };
export const SIGN_INS_OF_ACCOUNT: RateLimitOptions = { burst: 20, refillMs: 5_000, maxAddresses: 10_000 };

/** A token bucket for each address (an IPv6 network of 64 bits counts as one). Bounded by `maxAddresses`. */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #now: () => number;
  /** In the order of their last failure. */
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(options: RateLimitOptions = FAILED_LOGINS, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Counts a failure of this address. @returns 0, or the seconds to wait where there were too many */
  failed(address: string): number {
    const { burst, refillMs, maxAddresses } = this.#options;
    const key = networkOf(address);
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillMs);
    const refused = tokens < 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: refused ? tokens : tokens - 1, at: now });
    for (const [oldest] of this.#buckets) {
      if (this.#buckets.size <= maxAddresses) break;
      this.#buckets.delete(oldest);
    }
    return refused ? Math.max(1, Math.ceil(((1 - tokens) * refillMs) / 1000)) : 0;
  }

  /** Takes back a failure that was counted before its outcome was known. */
  succeeded(address: string): void {
    const bucket = this.#buckets.get(networkOf(address));
    if (bucket) bucket.tokens = Math.min(this.#options.burst, bucket.tokens + 1);
  }
}
