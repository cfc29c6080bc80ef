/** Shapes of `/api/joins`: tokens that register machines. All of it is ours. */
import * as z from "zod/mini";
import { brief, COUNTS, exact, givenName, givenTags, LENGTHS, lenient, someOf } from "./values.ts";

/** Longest life of a join token, seconds. */
export const MAX_JOIN_SECONDS = 3650 * 24 * 60 * 60;
/** Most machines of a join token that has a number of them. */
export const MAX_JOIN_USES = 1_000_000;

/** `POST /api/joins` request. Where nothing is said: one machine, within an hour. */
export const createJoinBody = z.object({
  description: z.optional(exact(LENGTHS.name)),
  /** Put on each machine. */
  tags: z.optional(givenTags),
  expires_in_seconds: z.optional(z.int().check(z.minimum(1), z.maximum(MAX_JOIN_SECONDS))),
  /** Machines in all; null for any number. */
  uses: z.optional(z.nullable(z.int().check(z.minimum(1), z.maximum(MAX_JOIN_USES)))),
  /** The names that its machines may have: `*` stands for any characters, `?` for one. */
  name_pattern: z.nullish(givenName),
  /** Its machines are forgotten once they stay away. */
  ephemeral: z.optional(z.boolean()),
  /** Its machines wait until they are accepted. */
  approve: z.optional(z.boolean()),
});
export type CreateJoin = z.infer<typeof createJoinBody>;

/** One entry of `GET /api/joins`. */
export const joinBody = z.object({
  id: exact(LENGTHS.id, 1),
  description: lenient(brief(LENGTHS.name)),
  token_prefix: lenient(brief(LENGTHS.word)),
  tags: lenient(z.nullable(someOf(brief(LENGTHS.tag), COUNTS.tags))),
  name_pattern: lenient(z.nullable(brief(LENGTHS.name))),
  ephemeral: lenient(z.boolean()),
  approve: lenient(z.boolean()),
  /** Machines that it has registered, and may register in all; null for any number. */
  uses: lenient(z.number()),
  max_uses: lenient(z.nullable(z.number())),
  created_at: lenient(brief(LENGTHS.time)),
  expires_at: lenient(brief(LENGTHS.time)),
  revoked_at: lenient(z.nullable(brief(LENGTHS.time))),
  last_used_at: lenient(z.nullable(brief(LENGTHS.time))),
  /** `valid`, `used_up`, `expired`, `revoked`. */
  state: lenient(brief(LENGTHS.word)),
});
export type Join = z.infer<typeof joinBody>;

/** `GET /api/joins`. */
export const joinListBody = z.object({ joins: someOf(joinBody, COUNTS.listed) });

/** `POST /api/joins` answer: the token is shown this once. */
export const createdJoinBody = z.extend(joinBody, {
  token: exact(LENGTHS.token, 1),
  /** How machines reach the server. */
  url: lenient(brief(LENGTHS.path)),
});
export type CreatedJoin = z.infer<typeof createdJoinBody>;

/** `POST /api/agents/{id}/accept` answer. */
export const acceptedBody = z.object({ id: exact(LENGTHS.id, 1), name: lenient(brief(LENGTHS.name)) });
