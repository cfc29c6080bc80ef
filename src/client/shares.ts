/** Shares: one session of a machine, for guests. The calls to the API, and what a guest is given. */
import * as z from "zod/mini";
import { ExitCode, RexecError, UsageError } from "../lib/errors.ts";
import { HttpError, requestJson } from "../lib/http.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import { brief, COUNTS, exact, LENGTHS, lenient, someOf } from "../protocol/values.ts";
import type { Server } from "./api.ts";

const time = brief(LENGTHS.time);

const share = z.object({
  id: exact(LENGTHS.id, 1),
  name: brief(LENGTHS.name),
  level: z.enum(["view", "type"]),
  session: exact(LENGTHS.id, 1),
  agent: z.object({ id: exact(LENGTHS.id, 1), name: brief(LENGTHS.name) }),
  by: lenient(brief(LENGTHS.name)),
  state: z.catch(brief(LENGTHS.word), "unknown"),
  created_at: lenient(time),
  expires_at: lenient(time),
  last_used_at: lenient(time),
  uses: z.catch(z.number(), 0),
  /** To a guest: the machine is connected. */
  online: lenient(z.boolean()),
});
export type Share = z.infer<typeof share>;

const made = z.extend(share, { token: exact(LENGTHS.token, 1), link: brief(LENGTHS.path) });
const list = z.object({ shares: someOf(share, COUNTS.listed) });

/** What a share is to be. */
export interface ShareWish {
  level: "view" | "type";
  name?: string | undefined;
  expires_in_seconds?: number | undefined;
}

export function createShare(server: Server, agentId: string, session: string, wish: ShareWish) {
  const path = `/api/agents/${pathSegment(agentId)}/sessions/${pathSegment(session)}/shares`;
  return requestJson({ ...server, method: "POST", path, body: wish, schema: made, limit: HTTP_ONE_BYTES });
}

export async function listShares(server: Server): Promise<Share[]> {
  const path = "/api/shares";
  const { shares } = await requestJson({
    ...server,
    method: "GET",
    path,
    schema: list,
    limit: HTTP_LIST_BYTES,
  });
  return shares;
}

export async function revokeShare(server: Server, id: string): Promise<void> {
  const path = `/api/shares/${pathSegment(id)}`;
  await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

/** What the token of the server shows. */
export function getShared(server: Server, signal?: AbortSignal): Promise<Share> {
  return requestJson({
    ...server,
    method: "GET",
    path: "/api/share",
    schema: share,
    limit: HTTP_ONE_BYTES,
    signal,
  });
}

/** The machine of a share, as far as its guest may know it. */
export async function getSharedAgent(server: Server, signal?: AbortSignal) {
  const { agent, online } = await getShared(server, signal);
  return { ...agent, status: online ? "online" : "offline" };
}

/**
 * The token in a share's link, or the token itself, and the server that the link names.
 * @throws UsageError
 */
export function parseShare(text: string): { token: string; host: string | null } {
  const [, link, token] =
    /^(?:(https?:\/\/\S+)\/share\/?#)?(rexec_share_[0-9a-f]{64})$/.exec(text.trim()) ?? [];
  if (token) return { token, host: link ?? null };
  throw new UsageError(
    "this is no share",
    "give the whole link (https://…/share#rexec_share_…, in quotation marks), or the token behind its #",
  );
}

const SESSION_ENDED = "the session that was shared has ended";

/** An error of a guest in words that fit: what ends is the share, not a login. */
export function asGuest(error: unknown): unknown {
  if (!(error instanceof RexecError)) return error;
  const ends: Record<string, string | undefined> = {
    token_revoked: "this share was revoked",
    token_expired: "this share has expired",
    access_ended: "this share has ended: its maker may not use the machine any more",
    share_revoked: "this share was revoked",
    share_expired: "this share has expired",
    token_unknown: "there is no such share at this server",
    share_ended: SESSION_ENDED,
    session_gone: SESSION_ENDED,
    unknown_session: SESSION_ENDED,
  };
  const message = ends[(error instanceof HttpError && error.serverCode) || error.code];
  return message === undefined
    ? error
    : new RexecError(message, {
        code: "share_ended",
        hint: "ask for another one",
        exitCode: ExitCode.rejected,
      });
}
