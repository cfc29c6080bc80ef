/** Shapes of the HTTP API about users, sign-in, browser sessions and invites. See `http.ts` for the rules. */
import * as z from "zod/mini";
import { brief, COUNTS, exact, givenName, hasControls, LENGTHS, lenient, someOf } from "./values.ts";

const word = brief(LENGTHS.word);
const time = brief(LENGTHS.time);
const id = exact(LENGTHS.id, 1);

/** A user name as a person may give one: in lower case, and never one that could be an id. */
export const givenUserName = z.string().check(
  z.trim(),
  z.toLowerCase(),
  z.maxLength(LENGTHS.word),
  z.regex(/^[a-z0-9][a-z0-9._@+-]*$/, {
    error: "has only letters, digits and . _ @ + -, and begins with one of the first two",
  }),
  z.refine((text) => !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text), {
    error: "looks like an id",
  }),
);

/** An e-mail address, as far as it is looked at; empty for none. */
export const givenEmail = z.string().check(
  z.trim(),
  z.maxLength(LENGTHS.email),
  z.refine((text) => text === "" || /^[^\s@]+@[^\s@]+$/.test(text), { error: "is no e-mail address" }),
  z.refine((text) => text.isWellFormed() && !hasControls(text), { error: "has a strange character in it" }),
);

/** Longer than any password may be: how long one may be, the gateway says in words. */
const password = exact(64 * 1024);
const reference = exact(LENGTHS.name, 1);
const link = exact(LENGTHS.token, 1);

/** `POST /api/sign-in` */
export const signInBody = z.object({ username: exact(LENGTHS.email, 1), password });

/** `POST /api/sign-in/link` */
export const linkSignInBody = z.object({ link });

/** `POST /api/invites/accept` */
export const acceptInviteBody = z.object({
  link,
  username: givenUserName,
  name: z.optional(givenName),
  password,
});

/** One user, as administrators see it. */
export const userBody = z.object({
  id,
  username: brief(LENGTHS.name),
  name: lenient(brief(LENGTHS.name)),
  email: lenient(brief(LENGTHS.email)),
  is_admin: z.catch(z.boolean(), false),
  created_at: lenient(time),
  disabled_at: lenient(z.nullable(time)),
});
export type UserInfo = z.infer<typeof userBody>;

/** `GET /api/users` */
export const userListBody = z.object({ users: someOf(userBody, COUNTS.listed) });

/** `POST /api/users`. Without a password the user signs in by a login link or a provider. */
export const createUserBody = z.object({
  username: givenUserName,
  name: z.optional(givenName),
  email: z.optional(givenEmail),
  admin: z.optional(z.boolean()),
  password: z.optional(password),
});

/** `PATCH /api/users/{user}` */
export const patchUserBody = z.object({
  name: z.optional(givenName),
  email: z.optional(givenEmail),
  admin: z.optional(z.boolean()),
  disabled: z.optional(z.boolean()),
});

/** `PUT /api/users/{user}/password` */
export const setPasswordBody = z.object({ password });

/** `PUT /api/account/password`: `current` for an account that has a password. */
export const changePasswordBody = z.object({ current: z.optional(password), password });

/** `DELETE /api/users/{user}` answer. */
export const removedUserBody = z.object({ agents: z.catch(z.int(), 0), transferred_to: lenient(reference) });

/** One browser session. */
export const sessionBody = z.object({
  id,
  method: lenient(word),
  address: lenient(word),
  user_agent: lenient(brief(LENGTHS.shell)),
  created_at: lenient(time),
  last_seen_at: lenient(time),
  expires_at: lenient(time),
  /** The session of this very request. */
  current: lenient(z.boolean()),
});

/** `GET /api/account/sessions` */
export const sessionListBody = z.object({ sessions: someOf(sessionBody, COUNTS.listed) });

/** `DELETE /api/account/sessions` answer. */
export const endedSessionsBody = z.object({ ended: z.catch(z.int(), 0) });

/** The answer to every way of signing in; the secret is in the cookie. */
export const signedInBody = z.object({ user: userBody, session: sessionBody });

/** `GET /api/account` */
export const accountBody = z.object({ user: userBody, has_password: z.boolean() });

/** `POST /api/invites`; `name` and `email` are for the list. */
export const createInviteBody = z.object({
  name: z.optional(givenName),
  email: z.optional(givenEmail),
  admin: z.optional(z.boolean()),
  expires_in_seconds: z.optional(z.int().check(z.minimum(60), z.maximum(90 * 86_400))),
});

/** One invite. */
export const inviteBody = z.object({
  id,
  name: lenient(brief(LENGTHS.name)),
  email: lenient(brief(LENGTHS.email)),
  admin: z.catch(z.boolean(), false),
  created_at: lenient(time),
  expires_at: lenient(time),
  /** When it was accepted, and by which user. */
  used_at: lenient(time),
  user_id: lenient(id),
});

/** `GET /api/invites` */
export const inviteListBody = z.object({ invites: someOf(inviteBody, COUNTS.listed) });

/** A link that is shown once: `POST /api/invites`, `POST /api/users/{user}/login-link`. */
export const madeLinkBody = z.object({ url: exact(LENGTHS.path, 1), expires_at: time });
