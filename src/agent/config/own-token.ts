/**
 * A machine keeps a token that can connect its agent and nothing else. One that may do more, an administrator's for
 * example, is used once to have the server make such a token, and is not written down.
 */

import * as z from "zod/mini";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { HttpError, requestJson } from "../../lib/http.ts";
import type { Endpoint } from "../../lib/net.ts";
import { createdTokenBody, tokenListBody, validationBody } from "../../protocol/http.ts";
import { pathSegment } from "../../protocol/path.ts";
import { isJwt } from "../../protocol/token.ts";
import { LENGTHS } from "../../protocol/values.ts";
import { statusOf } from "../enroll/probe.ts";

/** Who asks, of whom. */
export interface TokenOwner {
  endpoint: Endpoint;
  agentId: string;
  /** The agent's, for the name of the token. */
  name: string;
}

/** The token to write into the configuration. */
export interface OwnToken {
  /** The one to keep. */
  token: string;
  /** It was made just now, in place of the given one. */
  isExchanged: boolean;
  /** Why the given one is kept although it may do more, for the person to read. */
  warning: string | null;
}

/**
 * The token to keep on this machine. Where the server makes none for the agent alone it is the given one, with a warning.
 * @param given valid at the server
 * @throws RexecError `unreachable`, …
 */
export async function ownToken(owner: TokenOwner, given: string): Promise<OwnToken> {
  const scopes = await scopesOf(owner.endpoint, given);
  if (isAgentOnly(scopes)) return { token: given, isExchanged: false, warning: null };
  try {
    return { token: await makeToken(owner, given), isExchanged: true, warning: null };
  } catch (error) {
    if (!(error instanceof RexecError) || error.code === "unreachable") throw error;
    // A server that does not tell the scopes: it may well be the agent's own.
    const isKnown = scopes !== null || isJwt(given);
    return { token: given, isExchanged: false, warning: isKnown ? warningOf(scopes, error) : null };
  }
}

/** What became of the token that was in the file before. */
export type Former =
  | { kind: "none" }
  | { kind: "revoked" }
  /** `why`: for the person to read. */
  | { kind: "kept"; why: string };

/**
 * Revokes the token that the machine had before, if it was the agent's own. Any other may be in use elsewhere.
 * @param by the given token, which may do it
 */
export async function revokeFormer(owner: TokenOwner, by: string, former: string): Promise<Former> {
  const { endpoint, agentId } = owner;
  try {
    const schema = tokenListBody;
    const { tokens } = await requestJson({ endpoint, method: "GET", path: "/api/tokens", token: by, schema });
    const fitting = tokens.filter((each) => !each.revoked_at && former.startsWith(each.token_prefix));
    const [only] = fitting;
    if (!only) return { kind: "none" };
    const isOurs = isAgentOnly(only.scopes) && (only.agent_id ?? agentId) === agentId;
    if (!isOurs || fitting.length > 1) {
      return { kind: "kept", why: "it is not this agent's alone, and may be in use elsewhere" };
    }
    await revoke(endpoint, by, only.id);
    return { kind: "revoked" };
  } catch (error) {
    return { kind: "kept", why: messageOf(error) };
  }
}

// --- internal ---

/** Null where the server does not tell. */
async function scopesOf(endpoint: Endpoint, token: string): Promise<readonly string[] | null> {
  try {
    const path = "/api/tokens/validate";
    return (
      (await requestJson({ endpoint, method: "GET", path, token, schema: validationBody })).scopes ?? null
    );
  } catch (error) {
    if (error instanceof HttpError || (error instanceof RexecError && error.code === "bad_answer"))
      return null;
    throw error;
  }
}

function isAgentOnly(scopes: readonly string[] | null | undefined): boolean {
  return scopes?.length === 1 && scopes[0] === "agent";
}

/** @throws RexecError where the server makes none, or one that will not do; nothing of it is left then */
async function makeToken({ endpoint, agentId, name }: TokenOwner, by: string): Promise<string> {
  const made = await requestJson({
    endpoint,
    method: "POST",
    path: "/api/tokens",
    token: by,
    body: { name: `agent: ${name}`.slice(0, LENGTHS.name), scopes: ["agent"], agent_id: agentId },
    schema: createdTokenBody,
  });
  const why = await unfitness(endpoint, agentId, made);
  if (why === null) return made.token;
  // Not ours to keep, and of no use to anyone; where even that fails the server lists it.
  if (made.id) await revoke(endpoint, by, made.id).catch(() => {});
  throw new RexecError(why, { code: "no_agent_token" });
}

/** Why a token that the server made will not do, or null. Never rejects. */
async function unfitness(
  endpoint: Endpoint,
  agentId: string,
  { token, scopes }: z.infer<typeof createdTokenBody>,
): Promise<string | null> {
  try {
    if (!isAgentOnly(scopes ?? (await scopesOf(endpoint, token))))
      return "the one that it makes may do more too";
    const status = await statusOf(endpoint, `/api/agents/${pathSegment(agentId)}`, token);
    return status === 200 ? null : `the one that it makes may not use agent ${agentId} (${status})`;
  } catch (error) {
    return messageOf(error);
  }
}

async function revoke(endpoint: Endpoint, by: string, id: string): Promise<void> {
  const path = `/api/tokens/${pathSegment(id)}`;
  await requestJson({ endpoint, method: "DELETE", path, token: by, schema: z.unknown() });
}

function warningOf(scopes: readonly string[] | null, error: RexecError): string {
  const which = scopes ? ` (scopes: ${scopes.join(", ") || "none"})` : "";
  return `this token may do more than connect the agent${which}, and stays on this machine: the server makes none for the agent alone: ${error.message}`;
}
