/**
 * The device flow (RFC 8628): a CLI without a browser gets a short code, a person who is signed in approves the code
 * elsewhere, and the CLI's next poll gets an API token.
 */
import { randomBytes } from "node:crypto";
import { networkOf } from "../../lib/network-of.ts";
import { FAILED_LOGINS, RateLimit, type RateLimitOptions } from "../auth/rate-limit.ts";
import { hashToken, makeToken } from "../auth/token.ts";
import { ApiError } from "../http/api-error.ts";
import type { DeviceCodeRow } from "../store/device-codes.ts";
import type { Store } from "../store/store.ts";
import type { TokenRow } from "../store/tokens.ts";
import type { UserRow } from "../store/users.ts";
import { makeUserCode, readUserCode } from "./user-code.ts";

/** Bounds of the device flow. */
export interface DeviceFlowLimits {
  /** How long a code waits for its approval, milliseconds. */
  lifetimeMs: number;
  /** Seconds between two polls. */
  intervalS: number;
  /** Codes that are kept at once, those that ended within the last 10 minutes included. */
  most: number;
  /** Codes of one network that wait. */
  mostOfNetwork: number;
  /** New codes, and polls with an unknown code, for each address. */
  requests: RateLimitOptions;
  /** Short codes that a user may look up or decide about: what guessing costs. */
  tries: RateLimitOptions;
}

export const DEVICE_FLOW: DeviceFlowLimits = {
  lifetimeMs: 10 * 60_000,
  intervalS: 5,
  most: 1_000,
  mostOfNetwork: 20,
  requests: { burst: 20, refillMs: 3_000, maxAddresses: 10_000 },
  tries: FAILED_LOGINS,
};

/** What a CLI is told at the start. */
export interface DeviceStart {
  deviceCode: string;
  userCode: string;
  expiresInS: number;
  intervalS: number;
}

/** The answer to a poll: the token, or an error code of RFC 8628 with its words. */
export type Redeemed =
  | { kind: "token"; token: string; row: TokenRow; user: UserRow; code: DeviceCodeRow }
  | { kind: "error"; code: string; description: string };

/** Makes device codes, takes the decisions about them, and redeems them. One for the gateway. */
export class DeviceFlow {
  readonly #store: Store;
  readonly #limits: DeviceFlowLimits;
  readonly #mostTokens: number;
  readonly #requests: RateLimit;
  readonly #tries: RateLimit;

  /** @param mostTokens live tokens of one user */
  constructor(store: Store, mostTokens: number, limits: Partial<DeviceFlowLimits> = {}) {
    this.#store = store;
    this.#limits = { ...DEVICE_FLOW, ...limits };
    this.#mostTokens = mostTokens;
    this.#requests = new RateLimit(this.#limits.requests);
    this.#tries = new RateLimit(this.#limits.tries);
  }

  /**
   * Begins a sign-in.
   * @param client the name of the machine that asks, as it says
   * @throws ApiError 429
   */
  async begin(client: string, scopes: readonly string[], address: string): Promise<DeviceStart> {
    throttle(this.#requests, address, "too many sign-ins from this address: wait");
    const deviceCode = `rexec_device_${randomBytes(32).toString("hex")}`;
    const userCode = makeUserCode();
    const { lifetimeMs, intervalS, most, mostOfNetwork } = this.#limits;
    const isKept = await this.#store.deviceCodes.createWithin(
      {
        deviceHash: hashToken(deviceCode),
        userHash: hashToken(userCode),
        client: shownName(client),
        address,
        network: networkOf(address),
        scopes,
        expiresAt: new Date(Date.now() + lifetimeMs).toISOString(),
        intervalS,
      },
      { all: most, network: mostOfNetwork },
    );
    if (!isKept) {
      throw new ApiError(
        429,
        "too_many_sign_ins",
        "too many sign-ins wait for an approval: try again later",
        {
          "Retry-After": "60",
        },
      );
    }
    return { deviceCode, userCode, expiresInS: Math.floor(lifetimeMs / 1000), intervalS };
  }

  /**
   * The code that a user typed, as it waits.
   * @throws ApiError 404 for one that does not wait, 429 after too many of them
   */
  async look(typed: string, user: UserRow): Promise<DeviceCodeRow> {
    const row = await this.#store.deviceCodes.findPending(this.#counted(typed, user));
    if (!row) throw unknownCode();
    return row;
  }

  /**
   * Approves or denies the code that a user typed. One decision counts, the first.
   * @throws ApiError 404 for one that does not wait, 429 after too many of them
   */
  async decide(typed: string, user: UserRow, isApproved: boolean): Promise<DeviceCodeRow> {
    const row = await this.#store.deviceCodes.decide(this.#counted(typed, user), user.id, isApproved);
    if (!row) throw unknownCode();
    return row;
  }

  /**
   * The poll of a CLI. An approved code gives its token once.
   * @throws ApiError 429 after too many unknown codes
   */
  async redeem(deviceCode: string, address: string): Promise<Redeemed> {
    const poll = await this.#store.deviceCodes.poll(hashToken(deviceCode));
    if (!poll) {
      throttle(this.#requests, address, "too many unknown codes from this address: wait");
      return failure("invalid_grant", "this code is unknown: start again");
    }
    const { row, isEarly } = poll;
    if (row.consumed_at !== null) return failure("invalid_grant", "this code was used already: start again");
    if (row.denied_at !== null) return failure("access_denied", "the sign-in was refused");
    if (Date.parse(row.expires_at) <= Date.now())
      return failure("expired_token", "the code has expired: start again");
    if (isEarly) return failure("slow_down", "too many polls: wait 5 seconds longer between two of them");
    if (row.approved_at === null)
      return failure("authorization_pending", "the sign-in waits for its approval");
    const user = row.user_id === null ? null : await this.#store.users.get(row.user_id);
    if (!user || user.disabled_at !== null)
      return failure("access_denied", "the account that approved the sign-in is gone or disabled");
    if (!(await this.#store.deviceCodes.consume(row.id)))
      return failure("invalid_grant", "this code was used already: start again");
    const made = makeToken();
    const grant = { userId: user.id, name: tokenName(row.client), scopes: row.scopes };
    const token = await this.#store.tokens.createWithin(made, grant, this.#mostTokens);
    if (token) return { kind: "token", token: made.token, row: token, user, code: row };
    return failure(
      "access_denied",
      `this account has ${this.#mostTokens} tokens, and may have no more: revoke one`,
    );
  }

  // --- internal ---

  /** Counts a try before the look-up, so that many at the same moment are no way around the limit. */
  #counted(typed: string, user: UserRow): string {
    throttle(this.#tries, user.id, "too many codes: wait");
    const code = readUserCode(typed);
    if (code === null) throw new ApiError(400, "bad_code", "a code has 8 letters, such as BCDF-GHJK");
    return hashToken(code);
  }
}

// --- internal ---

/** @throws ApiError 429 */
function throttle(limit: RateLimit, key: string, message: string): void {
  const seconds = limit.failed(key);
  if (seconds > 0) throw new ApiError(429, "too_many_tries", message, { "Retry-After": String(seconds) });
}

/** The name as a list and a page can show it: what the machine says of itself is a stranger's text. */
function shownName(client: string): string {
  return client
    .toWellFormed()
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .trim();
}

function unknownCode(): ApiError {
  return new ApiError(404, "code_unknown", "this code is unknown, has expired, or was decided about already");
}

function failure(code: string, description: string): Redeemed {
  return { kind: "error", code, description };
}

/** How the token is listed. */
function tokenName(client: string): string {
  return `rexec on ${client || "an unnamed machine"}`.slice(0, 128);
}
