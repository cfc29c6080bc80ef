/** Hashes and compares passwords: few at once, with a queue that is bounded. */
import { ApiError } from "../http/api-error.ts";

/** UTF-16 code units. Longer texts are refused before they are hashed. */
export const PASSWORD_LENGTH = { least: 10, most: 1_024 } as const;

/** Hashes that are made or compared at once: 64 MiB and about 0.1 to 0.4 s of one processor each. */
const AT_ONCE = 2;
/** Requests that wait for their turn; further ones are refused. */
const MAX_WAITING = 64;

/** What hashes are made with. `NO_ONES` has the same costs. */
const ARGON2 = { algorithm: "argon2id", memoryCost: 65_536, timeCost: 2 } as const;

/** A hash of 256 random bits: what the password of an unknown user is compared with, so that it takes as long. */
const NO_ONES =
  "$argon2id$v=19$m=65536,t=2,p=1$qbfEJrcpDUBriQ4uKWkAnnUkYN0tncWGZ+IW2/Obbpc$rbKoo+s16mq8+6LSsOpIZk89Nx89KjHZH++WNelH5Vc";

/** The one place where passwords are hashed. One for the gateway. */
export class Passwords {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws ApiError 400 where it is too short or too long, 503 where too many wait */
  async hash(password: string): Promise<string> {
    const text = checkLength(password);
    using _ = await this.#turn();
    return await Bun.password.hash(text, ARGON2);
  }

  /**
   * @param hash null for a user who is unknown or has no password: takes as long, and is false
   * @throws ApiError 503 where too many wait
   */
  async verify(password: string, hash: string | null): Promise<boolean> {
    // No password has such a length: nothing is told by a quick answer.
    const text = normal(password);
    if (!fits(text)) return false;
    using _ = await this.#turn();
    const isRight = await Bun.password.verify(text, hash ?? NO_ONES);
    return isRight && hash !== null;
  }

  /** Dispose of the result when the work is done. */
  async #turn(): Promise<Disposable> {
    if (this.#running >= AT_ONCE) {
      if (this.#waiting.length >= MAX_WAITING) {
        const message = "too many people are signing in at this moment: try again";
        throw new ApiError(503, "busy", message, { "Retry-After": "5" });
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    } else this.#running += 1;
    return {
      [Symbol.dispose]: () => {
        const next = this.#waiting.shift();
        if (next) next();
        else this.#running -= 1;
      },
    };
  }
}

/** @returns what is hashed @throws ApiError 400 */
export function checkLength(password: string): string {
  const text = normal(password);
  if (fits(text)) return text;
  const { least, most } = PASSWORD_LENGTH;
  throw new ApiError(400, "bad_password", `a password has ${least} to ${most} characters`);
}

// --- internal ---

function fits({ length }: string): boolean {
  return length >= PASSWORD_LENGTH.least && length <= PASSWORD_LENGTH.most;
}

/** Keyboards write the same letter in different ways, and a copied password has a space or a line end behind it. */
function normal(password: string): string {
  return password.length > 4 * PASSWORD_LENGTH.most ? password : password.normalize("NFC").trim();
}
