/** Shapes of the HTTP API (JSON both ways). Times are RFC 3339 strings. Lenient in what is read: servers differ. */
import * as z from "zod/mini";
import { agentStats, systemInfo } from "./v1.ts";

/** Every error answer. */
export const errorBody = z.object({ error: z.string(), code: z.optional(z.string()) });

/** `GET /api/version`. `agent_version` is ours: of the agents that the server hands out, where it is known. */
export const versionBody = z.object({
  version: z.string(),
  build: z.optional(z.string()),
  agent_version: z.optional(z.string()),
});

const user = z.object({
  id: z.string(),
  username: z.optional(z.string()),
  email: z.optional(z.string()),
  name: z.optional(z.string()),
  tier: z.optional(z.string()),
  is_admin: z.optional(z.boolean()),
  created_at: z.optional(z.string()),
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

export const tokenInfo = z.object({
  id: z.string(),
  name: z.string(),
  token_prefix: z.string(),
  scopes: z.array(z.string()),
  last_used_at: z.nullish(z.string()),
  expires_at: z.nullish(z.string()),
  created_at: z.string(),
  revoked_at: z.nullish(z.string()),
});
export type TokenInfo = z.infer<typeof tokenInfo>;

/** `POST /api/tokens` request; `expires_in` is days. */
export const createTokenBody = z.object({
  name: z.string().check(z.trim(), z.minLength(1), z.maxLength(128)),
  scopes: z.optional(z.array(z.string()).check(z.maxLength(16))),
  expires_in: z.nullish(z.int().check(z.positive(), z.maximum(3650))),
  /** Ours: the one agent that a token with the scope `agent` connects. */
  agent_id: z.nullish(z.string().check(z.maxLength(64))),
});

/** `POST /api/agents/register` request. Unknown fields are dropped. */
export const registerBody = z.object({
  name: z.string().check(z.trim(), z.minLength(1), z.maxLength(128)),
  description: z.nullish(z.string().check(z.maxLength(1024))),
  type: z.optional(z.string()),
  os: z.nullish(z.string().check(z.maxLength(64))),
  arch: z.nullish(z.string().check(z.maxLength(64))),
  shell: z.nullish(z.string().check(z.maxLength(512))),
  distro: z.nullish(z.string().check(z.maxLength(64))),
  tags: z.nullish(z.array(z.string().check(z.maxLength(128))).check(z.maxLength(64))),
  /** Ours: an agent of a CI job, which the server may forget once it stays away. */
  ephemeral: z.nullish(z.boolean()),
});
export type RegisterBody = z.infer<typeof registerBody>;

/** `POST /api/agents/register` answer: without `token` where the server could not make one. */
export const registeredBody = z.object({
  id: z.string().check(z.minLength(1)),
  name: z.string(),
  token: z.optional(z.string().check(z.minLength(1))),
  token_info: z.optional(z.looseObject({ id: z.optional(z.string()), name: z.optional(z.string()) })),
  warning: z.optional(z.string()),
});
export type Registered = z.infer<typeof registeredBody>;

/** One agent, as `GET /api/agents` lists it. */
export const agentBody = z.object({
  id: z.string(),
  name: z.string(),
  description: z.nullish(z.string()),
  os: z.nullish(z.string()),
  arch: z.nullish(z.string()),
  shell: z.nullish(z.string()),
  distro: z.nullish(z.string()),
  tags: z.nullish(z.array(z.string())),
  user_id: z.optional(z.string()),
  status: z.string(),
  created_at: z.nullish(z.string()),
  connected_at: z.nullish(z.string()),
  last_ping: z.nullish(z.string()),
  system_info: z.nullish(z.partial(systemInfo)),
  stats: z.nullish(z.partial(agentStats)),
  ephemeral: z.nullish(z.boolean()),
});
export type Agent = z.infer<typeof agentBody>;

/** A bare array; `null` for none. */
export const agentListBody = z.pipe(
  z.nullable(z.array(agentBody)),
  z.transform((list) => list ?? []),
);

/** `PATCH /api/agents/{id}` request (`tags` is ours). */
export const patchAgentBody = z.object({
  name: z.optional(z.string().check(z.trim(), z.minLength(1), z.maxLength(128))),
  description: z.optional(z.string().check(z.maxLength(1024))),
  tags: z.optional(z.array(z.string().check(z.maxLength(128))).check(z.maxLength(64))),
});
