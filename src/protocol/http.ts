/**
 * Shapes of the HTTP API (JSON both ways). Times are RFC 3339 strings. Answers are read leniently, since servers differ:
 * a field that only describes is left out where it is not valid. Requests are refused.
 */
import * as z from "zod/mini";
import { agentStats, systemInfo } from "./v1.ts";
import { brief, COUNTS, exact, givenName, givenTags, LENGTHS, lenient, listOf, someOf } from "./values.ts";

const word = brief(LENGTHS.word);
const name = brief(LENGTHS.name);
const time = brief(LENGTHS.time);
const answerId = exact(LENGTHS.id, 1);

/** Every error answer. */
export const errorBody = z.object({
  error: brief(LENGTHS.error),
  code: lenient(word),
  /** Of some servers, which have the code in `error`. */
  message: lenient(brief(LENGTHS.error)),
  /** Of ours: what the server's log calls the request. */
  request_id: lenient(name),
});

/** An answer that says that something is done. */
export const messageBody = z.object({ message: brief(LENGTHS.error) });

/** `GET /api/version`. `agent_version` is ours: of the agents that the server hands out, where it is known. */
export const versionBody = z.object({
  version: word,
  build: lenient(word),
  agent_version: lenient(word),
});

const user = z.object({
  id: answerId,
  username: lenient(name),
  email: lenient(brief(LENGTHS.email)),
  name: lenient(name),
  tier: lenient(word),
  is_admin: lenient(z.boolean()),
  created_at: lenient(time),
});
export type User = z.infer<typeof user>;

/** `GET /api/profile`: older servers answer the flat fields without `user`. */
export const profileBody = z.union([
  z.pipe(
    z.object({ user }),
    z.transform((body) => body.user),
  ),
  user,
]);

/** `GET /api/tokens/validate`. `agent_id` is ours: the one agent that the token connects. */
export const validationBody = z.object({
  user_id: answerId,
  username: lenient(name),
  email: lenient(brief(LENGTHS.email)),
  tier: lenient(word),
  scopes: lenient(z.nullable(someOf(word, COUNTS.scopes))),
  agent_id: lenient(answerId),
});

/** One entry of `GET /api/tokens`; `agent_id` is ours. */
export const tokenInfo = z.object({
  id: answerId,
  name: lenient(name),
  token_prefix: exact(LENGTHS.word, 1),
  scopes: lenient(z.nullable(someOf(word, COUNTS.scopes))),
  agent_id: lenient(z.nullable(answerId)),
  /** Ours: agents that it is restricted to. */
  only_agents: lenient(someOf(brief(LENGTHS.tag + 4), COUNTS.tags)),
  last_used_at: lenient(z.nullable(time)),
  expires_at: lenient(z.nullable(time)),
  created_at: lenient(time),
  revoked_at: lenient(z.nullable(time)),
});

/** `GET /api/tokens`. */
export const tokenListBody = z.object({
  tokens: z.pipe(
    z.nullable(someOf(tokenInfo, COUNTS.listed)),
    z.transform((list) => list ?? []),
  ),
});

/** `POST /api/tokens` answer. */
export const createdTokenBody = z.object({
  token: exact(LENGTHS.token, 1),
  id: lenient(answerId),
  scopes: lenient(z.nullable(someOf(word, COUNTS.scopes))),
});

/** `POST /api/tokens` request; `expires_in` is days. */
export const createTokenBody = z.object({
  name: givenName,
  scopes: z.optional(listOf(z.string(), COUNTS.scopes)),
  expires_in: z.nullish(z.int().check(z.positive(), z.maximum(3650))),
  /** Ours: added to `expires_in`, for tokens of hours. */
  expires_in_seconds: z.nullish(z.int().check(z.positive(), z.maximum(315_360_000))),
  /** Ours: agents that the token is restricted to, ids and `tag:NAME`. */
  only_agents: z.optional(listOf(exact(LENGTHS.tag + 4, 1), COUNTS.tags)),
  /** Ours: the one agent that a token with the scope `agent` connects. */
  agent_id: z.nullish(exact(LENGTHS.word)),
});

/** `POST /api/agents/register` request. Unknown fields are dropped. */
export const registerBody = z.object({
  name: givenName,
  description: z.nullish(exact(LENGTHS.description)),
  type: lenient(word),
  os: lenient(z.nullable(word)),
  arch: lenient(z.nullable(word)),
  shell: lenient(z.nullable(brief(LENGTHS.shell))),
  distro: lenient(z.nullable(word)),
  tags: z.nullish(givenTags),
  /** Ours: an agent of a CI job, which the server may forget once it stays away. */
  ephemeral: z.nullish(z.boolean()),
});

/** `POST /api/agents/register` answer: without `token` where the server could not make one. */
export const registeredBody = z.object({
  id: answerId,
  name: z.catch(name, ""),
  token: z.optional(exact(LENGTHS.token, 1)),
  /** Ours: the tags that were taken. */
  tags: lenient(z.nullable(someOf(brief(LENGTHS.tag), COUNTS.tags))),
  warning: lenient(brief(LENGTHS.error)),
  /** Ours: the machine waits until it is accepted. */
  pending: lenient(z.boolean()),
  /** Ours: the server forgets the agent once it stays away. */
  ephemeral: lenient(z.boolean()),
  /** Ours: another agent of the account has the same name. */
  namesake: lenient(z.boolean()),
});
export type Registered = z.infer<typeof registeredBody>;

/** One agent, as `GET /api/agents` lists it. */
export const agentBody = z.object({
  id: answerId,
  name: z.catch(name, ""),
  description: lenient(z.nullable(brief(LENGTHS.description))),
  os: lenient(z.nullable(word)),
  arch: lenient(z.nullable(word)),
  shell: lenient(z.nullable(brief(LENGTHS.shell))),
  distro: lenient(z.nullable(word)),
  tags: lenient(z.nullable(someOf(brief(LENGTHS.tag), COUNTS.tags))),
  user_id: lenient(answerId),
  status: z.catch(word, "unknown"),
  created_at: lenient(z.nullable(time)),
  connected_at: lenient(z.nullable(time)),
  last_ping: lenient(z.nullable(time)),
  system_info: lenient(z.nullable(systemInfo)),
  stats: lenient(z.nullable(agentStats)),
  ephemeral: lenient(z.nullable(z.boolean())),
  /** Ours: of the program that connected it last. */
  agent_version: lenient(word),
  /** Ours, of one agent that is not connected: it was a moment ago, and is likely to be again. */
  returning: lenient(z.boolean()),
  /** Ours: it waits until it is accepted. */
  pending: lenient(z.boolean()),
  /** Ours: those of its tags that it gave itself, and that give no right. */
  own_tags: lenient(z.nullable(someOf(brief(LENGTHS.tag), COUNTS.tags))),
});
export type Agent = z.infer<typeof agentBody>;

/** A bare array; `null` for none. */
export const agentListBody = z.pipe(
  z.nullable(someOf(agentBody, COUNTS.listed)),
  z.transform((list) => list ?? []),
);

/** `PATCH /api/agents/{id}` answer; `tags` and `warning` are ours. */
export const patchedAgentBody = z.object({
  name: lenient(name),
  description: lenient(z.nullable(brief(LENGTHS.description))),
  tags: lenient(z.nullable(someOf(brief(LENGTHS.tag), COUNTS.tags))),
  warning: lenient(brief(LENGTHS.error)),
});

/** `PATCH /api/agents/{id}` request (`tags` and what follows is ours). */
export const patchAgentBody = z.object({
  name: z.optional(givenName),
  description: z.optional(exact(LENGTHS.description)),
  tags: z.optional(givenTags),
  /** Tags to give and to take off; the others stay. Not beside `tags`. */
  add_tags: z.optional(givenTags),
  remove_tags: z.optional(givenTags),
});

/** `GET /api/agents/{id}/status`. All but `status` is there of a connected agent alone. */
export const agentStatusBody = z.object({
  status: word,
  connected_at: lenient(z.nullable(time)),
  last_ping: lenient(z.nullable(time)),
  sessions: lenient(z.int()),
  os: lenient(word),
  arch: lenient(word),
  system_info: lenient(systemInfo),
  stats: lenient(z.nullable(agentStats)),
});

/** One agent, as `GET /api/containers` lists it. */
export const containerBody = z.object({
  id: answerId,
  name,
  image: lenient(brief(LENGTHS.name)),
  status: word,
  session_type: lenient(word),
  created_at: lenient(z.nullable(time)),
  last_used_at: lenient(z.nullable(time)),
  os: lenient(word),
  arch: lenient(word),
  shell: lenient(brief(LENGTHS.shell)),
  distro: lenient(word),
  description: lenient(brief(LENGTHS.description)),
  stats: lenient(z.nullable(agentStats)),
  resources: lenient(z.object({ memory_mb: z.number(), cpu_shares: z.number(), disk_mb: z.number() })),
  hostname: lenient(brief(LENGTHS.hostname)),
  region: lenient(word),
});

/** `GET /api/containers`. */
export const containerListBody = z.object({ containers: someOf(containerBody, COUNTS.listed) });

/** `POST /api/containers/{id}/start`, `stop`, and its deletion. */
export const containerDoneBody = z.object({
  id: answerId,
  status: lenient(word),
  message: lenient(brief(LENGTHS.error)),
});
