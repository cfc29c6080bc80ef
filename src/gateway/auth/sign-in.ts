/** Signs users in: by a password, a login link or an invite, and opens and ends the sessions of their browsers. */
import { LENGTHS } from "../../protocol/values.ts";
import { ApiError } from "../http/api-error.ts";
import { USERS } from "../quotas.ts";
import type { AgentDirectory } from "../sessions/agent-directory.ts";
import type { SignInMethod, SignInSessionRow } from "../store/sign-in-sessions.ts";
import type { Store } from "../store/store.ts";
import type { UserRow } from "../store/users.ts";
import { checkLength, type Passwords } from "./passwords.ts";
import { RateLimit, SIGN_INS_OF_ACCOUNT, SIGN_INS_OF_ADDRESS } from "./rate-limit.ts";
import { linkSecretIn, makeSessionSecret } from "./secrets.ts";
import { hashToken } from "./token.ts";

/** How long browser sessions last, milliseconds. */
export interface SessionTimes {
  /** A session ends after this long without a request. */
  idleMs: number;
  /** A session ends this long after it began. */
  absoluteMs: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
export const SESSION_TIMES: SessionTimes = { idleMs: 7 * DAY_MS, absoluteMs: 30 * DAY_MS };

/** Browser sessions of one user; a further one ends the one that was not seen for the longest time. */
export const MAX_SESSIONS_OF_USER = 50;

/** Where a sign-in comes from: the IP address, and what the browser calls itself. */
export interface SignInOrigin {
  address: string;
  userAgent: string;
}

/** What signing in needs of the gateway. */
export interface SignInDeps {
  store: Store;
  directory: AgentDirectory;
  passwords: Passwords;
  times: SessionTimes;
}

/** One for the gateway. Methods reject with ApiErrors, and with the database's errors. */
export class SignIn {
  readonly #deps: SignInDeps;
  readonly #addresses = new RateLimit(SIGN_INS_OF_ADDRESS);
  readonly #accounts = new RateLimit(SIGN_INS_OF_ACCOUNT);

  constructor(deps: SignInDeps) {
    this.#deps = deps;
  }

  get times(): SessionTimes {
    return this.#deps.times;
  }

  /**
   * The user of that name, if the password is theirs. An unknown name takes as long as a wrong password.
   * @throws ApiError 401 `sign_in_failed`, 403 `user_disabled`, 429 `too_many_attempts`, 503 `busy`
   */
  async byPassword(username: string, password: string, address: string): Promise<UserRow> {
    const account = username.trim().toLowerCase().slice(0, LENGTHS.email);
    const refund = this.#count(address, account);
    const user = await this.#deps.store.users.byName(account);
    const hash = user ? await this.#deps.store.users.passwordHash(user.id) : null;
    const isRight = await this.#deps.passwords.verify(password, hash);
    if (!user || !isRight) throw new ApiError(401, "sign_in_failed", "wrong user name or password");
    refund();
    return active(user);
  }

  /**
   * Compares the password of a user who is signed in already.
   * @throws ApiError 401 `wrong_password`, 429, 503
   */
  async confirmPassword(user: UserRow, password: string, address: string): Promise<void> {
    const refund = this.#count(address, user.username);
    const hash = await this.#deps.store.users.passwordHash(user.id);
    if (!(await this.#deps.passwords.verify(password, hash))) {
      throw new ApiError(401, "wrong_password", "the current password is wrong");
    }
    refund();
  }

  /**
   * Uses a login link: of several requests at the same moment, one gets its user.
   * @throws ApiError 410 `link_invalid`, 403 `user_disabled`, 429
   */
  async byLink(link: string, address: string): Promise<UserRow> {
    const secret = linkSecretIn(link);
    const id = secret === null ? null : await this.#deps.store.links.useLogin(hashToken(secret));
    const user = id === null ? null : await this.#deps.store.users.get(id);
    if (!user) throw this.#badLink(address);
    return active(user);
  }

  /**
   * Uses an invite and makes its user. The password is hashed only for an invite that is valid.
   * @throws ApiError 400 `bad_password`, 410 `link_invalid`, 409 `name_taken`, 429, 503
   */
  async byInvite(
    link: string,
    wish: { username: string; name?: string | undefined; password: string },
    address: string,
  ): Promise<UserRow> {
    const { store, passwords } = this.#deps;
    checkLength(wish.password);
    const secret = linkSecretIn(link);
    const hash = secret === null ? null : hashToken(secret);
    if (hash === null || !(await store.links.isLiveInvite(hash))) throw this.#badLink(address);
    const refund = this.#count(address, hash);
    const { password, ...user } = wish;
    const passwordHash = await passwords.hash(password);
    const accepted = await store.links.acceptInvite(hash, { ...user, passwordHash }, USERS);
    if (accepted === "link_invalid") throw this.#badLink(address);
    if (accepted === "name_taken") {
      throw new ApiError(409, "name_taken", "another user has this name: choose another one");
    }
    if (accepted === "full") {
      throw new ApiError(403, "user_limit_reached", `this gateway has ${USERS} users, and may have no more`);
    }
    refund();
    return accepted.user;
  }

  /**
   * Opens a session for a user whose identity is proven. Its secret is always new, whatever the browser sent.
   * @param before the secret of the session that the browser had until now, which ends
   * @throws ApiError 403 `user_disabled`
   */
  async open(
    user: UserRow,
    method: SignInMethod,
    from: SignInOrigin,
    before: string | null,
  ): Promise<{ session: SignInSessionRow; secret: string }> {
    const { store, directory, times } = this.#deps;
    const { secret, hash } = makeSessionSecret();
    const now = Date.now();
    if (before !== null) await this.endBySecret(before);
    const opened = await store.signInSessions.create(
      hash,
      {
        userId: user.id,
        method,
        address: from.address,
        userAgent: from.userAgent,
        expiresAt: new Date(now + times.absoluteMs).toISOString(),
      },
      MAX_SESSIONS_OF_USER,
      idleSince(times, now),
    );
    if (!opened) throw new ApiError(403, "user_disabled", "this account is disabled");
    for (const id of opened.ended) await directory.publish({ type: "credential_revoked", id });
    return { session: opened.session, secret };
  }

  /** The user's sessions that have not ended. */
  list(userId: string): Promise<SignInSessionRow[]> {
    const { store, times } = this.#deps;
    return store.signInSessions.listOfUser(userId, idleSince(times));
  }

  /** Ends a session of the user, and the sockets that were opened with it. @returns false where there is none */
  async end(userId: string, id: string): Promise<boolean> {
    const { store, directory } = this.#deps;
    const wasLive = await store.signInSessions.revoke(userId, id);
    if (wasLive) await directory.publish({ type: "credential_revoked", id });
    return wasLive;
  }

  /** Ends the session of a cookie. @returns it and its user; null where it had ended */
  async endBySecret(secret: string): Promise<{ session: SignInSessionRow; user: UserRow } | null> {
    const session = await this.#deps.store.signInSessions.findByHash(hashToken(secret));
    if (!session || !(await this.end(session.user_id, session.id))) return null;
    const user = await this.#deps.store.users.get(session.user_id);
    return user && { session, user };
  }

  /** Ends all sessions of the user but one. @returns how many */
  async endAll(userId: string, but: string | null = null): Promise<number> {
    const { store, directory } = this.#deps;
    const ended = await store.signInSessions.revokeAll(userId, but);
    for (const id of ended) await directory.publish({ type: "credential_revoked", id });
    return ended.length;
  }

  // --- internal ---

  /**
   * Counts an attempt before anything is hashed.
   * @returns a function that takes it back
   * @throws ApiError 429
   */
  #count(address: string, account: string): () => void {
    // Hashed: a name may be of any length, and is kept.
    const key = hashToken(account);
    const seconds = this.#addresses.failed(address) || this.#accounts.failed(key);
    if (seconds > 0) throw tooMany(seconds);
    return () => {
      this.#addresses.succeeded(address);
      this.#accounts.succeeded(key);
    };
  }

  #badLink(address: string): ApiError {
    const seconds = this.#addresses.failed(address);
    if (seconds > 0) return tooMany(seconds);
    return new ApiError(
      410,
      "link_invalid",
      "this link was used, has expired, or was replaced: ask for another",
    );
  }
}

/** RFC 3339: a session that was last seen before has ended. */
export function idleSince(times: SessionTimes, now = Date.now()): string {
  return new Date(now - times.idleMs).toISOString();
}

// --- internal ---

function active(user: UserRow): UserRow {
  if (user.disabled_at === null) return user;
  throw new ApiError(403, "user_disabled", "this account is disabled: ask an administrator");
}

function tooMany(seconds: number): ApiError {
  return new ApiError(429, "too_many_attempts", `too many attempts to sign in: wait ${seconds} s`, {
    "Retry-After": String(seconds),
  });
}
