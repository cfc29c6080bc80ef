/** An ephemeral agent at the server: there for as long as it runs, and removed by itself. */

import * as z from "zod/mini";
import { messageOf } from "../../lib/errors.ts";
import { HttpError, requestJson } from "../../lib/http.ts";
import type { Logger } from "../../lib/log.ts";
import type { Endpoint } from "../../lib/net.ts";
import { distro, goArch, goOs } from "../../lib/platform.ts";
import { agentListBody, registeredBody } from "../../protocol/http.ts";
import { pathSegment } from "../../protocol/path.ts";
import { isJoinToken } from "../../protocol/token.ts";
import { ownTokenOf } from "../enroll/register.ts";
import type { Job } from "./job.ts";

/** An agent to be registered for one job. */
export interface RegistrationRequest {
  endpoint: Endpoint;
  /** A join token, or one of the account: an agent's own may not register. */
  token: string;
  job: Job;
  /** The name was given by a person, who is to find it under that. */
  isNamed: boolean;
  shell: string;
}

/** The agent as the server knows it. Undone at the end of the job. */
export interface Registration {
  agentId: string;
  name: string;
  /** The agent's own where the server made one. */
  token: string;
  /** What finds it and nothing else: its name, or its id where another has the same name. */
  reference: string;
}

/**
 * @throws RexecError `http_STATUS`, `unreachable`, …
 */
export async function register(request: RegistrationRequest): Promise<Registration> {
  const { endpoint, token, job, shell } = request;
  const distribution = distro();
  const made = await requestJson({
    endpoint,
    method: "POST",
    path: "/api/agents/register",
    token,
    body: {
      name: job.name,
      description: job.description,
      type: "agent",
      os: goOs(),
      arch: goArch(),
      shell,
      ...(distribution ? { distro: distribution } : {}),
      tags: job.tags,
      ephemeral: true,
    },
    schema: registeredBody,
  });
  const own = isJoinToken(token) ? ownTokenOf(made, endpoint) : (made.token ?? token);
  const agent = { agentId: made.id, name: made.name || job.name, token: own };
  return { ...agent, ...(await tellApart(request, agent, made.namesake)) };
}

/**
 * Removes it at the server. With the account's token, and where that is of no use any more with the agent's own.
 * @returns why it is still there, or null
 */
export async function unregister(
  { endpoint, token }: Pick<RegistrationRequest, "endpoint" | "token">,
  agent: Registration,
  timeoutMs: number,
  logger: Logger,
): Promise<string | null> {
  const path = `/api/agents/${pathSegment(agent.agentId)}`;
  const deadline = performance.now() + timeoutMs;
  const tokens = [...new Set([...(isJoinToken(token) ? [] : [token]), agent.token])];
  let why = "";
  for (let attempt = 0; ; attempt += 1) {
    const left = deadline - performance.now();
    if (left <= 0) return why || "there was no time";
    try {
      const used = tokens[attempt % tokens.length] ?? token;
      await requestJson({
        endpoint,
        method: "DELETE",
        path,
        token: used,
        schema: z.unknown(),
        timeoutMs: left,
      });
      return null;
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return null;
      why = messageOf(error);
      logger.debug(`unregistering: ${why}`);
      await Bun.sleep(Math.min(RETRY_MS * attempt, Math.max(0, deadline - performance.now())));
    }
  }
}

// --- internal ---

const RETRY_MS = 300;

/**
 * Jobs of a matrix have the same name, and the beginning of a name is enough for `rexec connect`: one of several gets
 * a piece of its id behind a name that we made; a name that a person gave stays, and the id is what is printed.
 */
async function tellApart(
  { endpoint, token: given, isNamed }: RegistrationRequest,
  { agentId, name, token: own }: { agentId: string; name: string; token: string },
  namesake: boolean | undefined,
): Promise<{ name: string; reference: string }> {
  // A join token reads nothing: its server has said whether there is another one.
  const token = isJoinToken(given) ? own : given;
  try {
    if (!(namesake ?? (await hasNamesakeListed(endpoint, token, { agentId, name }))))
      return { name, reference: name };
    if (isNamed) return { name, reference: agentId };
    const longer = `${name.slice(0, 119)}-${agentId.slice(0, 8)}`;
    const path = `/api/agents/${pathSegment(agentId)}`;
    await requestJson({
      endpoint,
      method: "PATCH",
      path,
      token,
      body: { name: longer },
      schema: z.unknown(),
    });
    return { name: longer, reference: longer };
  } catch {
    return { name, reference: agentId };
  }
}

async function hasNamesakeListed(
  endpoint: Endpoint,
  token: string,
  { agentId, name }: { agentId: string; name: string },
): Promise<boolean> {
  const schema = agentListBody;
  const agents = await requestJson({ endpoint, method: "GET", path: "/api/agents", token, schema });
  return agents.some((other) => other.id !== agentId && other.name === name);
}
