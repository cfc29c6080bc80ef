/** Shapes of the HTTP API (JSON both ways). Times are RFC 3339 strings. Lenient in what is read: servers differ. */
import { z } from "zod";
import { agentStats, systemInfo } from "./v1.ts";

/** Every error answer. */
export const errorBody = z.object({ error: z.string(), code: z.string().optional() });

export const versionBody = z.object({ version: z.string(), build: z.string().optional() });

const user = z.object({
  id: z.string(),
  username: z.string().optional(),
  email: z.string().optional(),
  name: z.string().optional(),
  tier: z.string().optional(),
  is_admin: z.boolean().optional(),
  created_at: z.string().optional(),
});
export type User = z.infer<typeof user>;

/** `GET /api/profile`: older servers answer the flat fields without `user`. */
export const profileBody = z.union([z.object({ user }).transform((body) => body.user), user]);

export const tokenInfo = z.object({
  id: z.string(),
  name: z.string(),
  token_prefix: z.string(),
  scopes: z.array(z.string()),
  last_used_at: z.string().nullish(),
  expires_at: z.string().nullish(),
  created_at: z.string(),
  revoked_at: z.string().nullish(),
});
export type TokenInfo = z.infer<typeof tokenInfo>;

/** `POST /api/tokens` request; `expires_in` is days. */
export const createTokenBody = z.object({
  name: z.string().trim().min(1).max(128),
  scopes: z.array(z.string()).max(16).optional(),
  expires_in: z.number().int().positive().max(3650).nullish(),
  /** Ours: the one agent that a token with the scope `agent` connects. */
  agent_id: z.string().max(64).nullish(),
});

/** `POST /api/agents/register` request. Unknown fields are dropped. */
export const registerBody = z.object({
  name: z.string().trim().min(1).max(128),
  description: z.string().max(1024).nullish(),
  type: z.string().optional(),
  os: z.string().max(64).nullish(),
  arch: z.string().max(64).nullish(),
  shell: z.string().max(512).nullish(),
  distro: z.string().max(64).nullish(),
  tags: z.array(z.string().max(128)).max(64).nullish(),
});
export type RegisterBody = z.infer<typeof registerBody>;

/** `POST /api/agents/register` answer: without `token` where the server could not make one. */
export const registeredBody = z.object({
  id: z.string().min(1),
  name: z.string(),
  token: z.string().min(1).optional(),
  token_info: z.object({ id: z.string().optional(), name: z.string().optional() }).loose().optional(),
  warning: z.string().optional(),
});
export type Registered = z.infer<typeof registeredBody>;

/** One agent, as `GET /api/agents` lists it. */
export const agentBody = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  os: z.string().nullish(),
  arch: z.string().nullish(),
  shell: z.string().nullish(),
  distro: z.string().nullish(),
  tags: z.array(z.string()).nullish(),
  user_id: z.string().optional(),
  status: z.string(),
  created_at: z.string().nullish(),
  connected_at: z.string().nullish(),
  last_ping: z.string().nullish(),
  system_info: systemInfo.partial().loose().nullish(),
  stats: agentStats.partial().loose().nullish(),
});
export type Agent = z.infer<typeof agentBody>;

/** A bare array; `null` for none. */
export const agentListBody = z
  .array(agentBody)
  .nullable()
  .transform((list) => list ?? []);

/** `PATCH /api/agents/{id}` request (`tags` is ours). */
export const patchAgentBody = z.object({
  name: z.string().trim().min(1).max(128).optional(),
  description: z.string().max(1024).optional(),
  tags: z.array(z.string().max(128)).max(64).optional(),
});
