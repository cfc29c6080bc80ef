/** `POST /api/agents/register`: by a token of the account, or by a join token and what that allows. */
import type * as z from "zod/mini";
import { matchesName } from "../../lib/name-pattern.ts";
import { registerBody, registeredBody } from "../../protocol/http.ts";
import { joinRefusal } from "../auth/join-source.ts";
import type { Principal } from "../auth/principal.ts";
import { makeToken } from "../auth/token.ts";
import { PENDING_AGENTS } from "../quotas.ts";
import { type AgentRow, shownTags } from "../store/agents.ts";
import type { JoinRow } from "../store/joins.ts";
import type { TokenRow } from "../store/tokens.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps } from "./context.ts";
import { namesakeWarning } from "./namesake.ts";
import { type Route, route } from "./route.ts";

export const registrationRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/agents/register",
    action: "agents:register",
    summary: "Register a machine, and get the token that connects it",
    answer: registeredBody,
    body: registerBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const made = makeToken();
      const joining = {
        details: detailsOf(body),
        token: made,
        tokenName: `agent: ${body.name}`,
        scopes: ["agent"],
      };
      const request = { principal, address: c.env.address, joining };
      const { agent, token } = await (principal.credential.kind === "join"
        ? registerJoining(request, deps)
        : registerOwn(request, deps));
      if (!agent.pending) {
        await deps.directory.publish({ type: "created", agentId: agent.id, userId: agent.user_id });
      }
      const { id, name } = agent;
      return c.json(
        {
          id,
          name,
          tags: shownTags(agent),
          token: made.token,
          token_info: { id: token.id, name: token.name, scopes: token.scopes, note: NOTE },
          ...(await remarks(agent, c.env.publicUrl, deps)),
        },
        201,
      );
    },
  }),
];

// --- internal ---

const NOTE = "connects this agent and nothing else; it is shown this once";

interface Request {
  principal: Principal;
  address: string;
  joining: Parameters<ApiDeps["store"]["joins"]["register"]>[1];
}

interface Registered {
  agent: AgentRow;
  token: TokenRow;
}

function detailsOf(body: z.infer<typeof registerBody>) {
  return {
    name: body.name,
    description: body.description ?? "",
    os: body.os ?? "",
    arch: body.arch ?? "",
    shell: body.shell ?? "",
    distro: body.distro ?? "",
    tags: [...new Set(body.tags)],
    ephemeral: body.ephemeral ?? false,
  };
}

/** @throws ApiError 403 */
async function registerOwn({ principal, address, joining }: Request, deps: ApiDeps): Promise<Registered> {
  const { details, token, tokenName, scopes } = joining;
  const { store, quotas } = deps;
  const { id } = principal.user;
  const registered = await store.agents.register(id, details, token, tokenName, scopes, quotas.agents);
  if (!registered) throw tooMany(deps);
  deps.audit.record({ action: "agent.registered", principal, address, agent: registered.agent });
  return registered;
}

/**
 * What is wrong with the machine is found before a use is taken.
 * @throws ApiError 401, 403
 */
async function registerJoining({ principal, address, joining }: Request, deps: ApiDeps): Promise<Registered> {
  const { store, quotas, audit } = deps;
  const join = await store.joins.get(principal.credential.id);
  const refuse = (why: string, error: ApiError): ApiError => {
    const target = joining.details.name;
    audit.record({ action: "join.refused", principal, address, target, details: { reason: why } });
    return error;
  };
  if (!join) throw new ApiError(401, "token_unknown", "unknown token");
  const denial = denialOf(join, joining.details);
  if (denial) throw refuse(denial.code, denial);
  const registered = await store.joins.register(join, joining, {
    agents: quotas.agents,
    pending: PENDING_AGENTS,
  });
  if (registered === "agents") throw refuse(registered, tooMany(deps));
  if (registered === "pending") throw refuse(registered, tooManyWait());
  if (typeof registered === "string") {
    const { code, message } = joinRefusal(join, registered);
    throw refuse(registered, new ApiError(401, code, message));
  }
  const { agent } = registered;
  audit.record({ action: "join.used", principal, address, agent, target: join.token_prefix });
  audit.record({
    action: "agent.registered",
    principal,
    address,
    agent,
    details: { pending: agent.pending },
  });
  return registered;
}

/** Why the join token is not for this machine; null where it is. */
function denialOf(
  { name_pattern, tags }: JoinRow,
  machine: { name: string; tags: readonly string[] },
): ApiError | null {
  if (name_pattern !== null && !matchesName(name_pattern, machine.name)) {
    const message = `this join token is for names like ${JSON.stringify(name_pattern)}, and this machine's is ${JSON.stringify(machine.name)}`;
    return new ApiError(403, "join_name", message);
  }
  const beyond = machine.tags.filter((tag) => !tags.includes(tag));
  if (beyond.length === 0) return null;
  const gives = tags.length === 0 ? "no tags" : `the tags ${tags.join(", ")} alone`;
  const message = `a machine gives itself no tags: this join token gives ${gives}, and not ${beyond.join(", ")}`;
  return new ApiError(403, "join_tags", message);
}

function tooMany({ quotas }: ApiDeps): ApiError {
  const what = `this account has ${quotas.agents} agents, and may have no more: remove one first`;
  return new ApiError(403, "agent_limit_reached", `${what} (serve --max-agents)`);
}

function tooManyWait(): ApiError {
  const what = `${PENDING_AGENTS} machines of this account wait to be accepted, and no more may`;
  return new ApiError(403, "join_pending_limit", what);
}

/** What the machine is to know of its registration. An agent of an earlier version shows `warning` alone. */
async function remarks(agent: AgentRow, url: string, { store }: ApiDeps) {
  if (agent.joined_by === null) return agent.ephemeral ? {} : namesakeWarning(store, agent);
  const namesake = agent.ephemeral ? { namesake: await store.agents.hasNamesake(agent) } : {};
  const ephemeral = agent.ephemeral ? { ephemeral: true } : {};
  if (!agent.pending) return { ...namesake, ...ephemeral, ...(await warningOf(agent, store)) };
  const warning = `this machine waits to be accepted at ${url}: rexec accept ${agent.id.slice(0, 8)}`;
  return { ...namesake, ...ephemeral, pending: true, warning };
}

function warningOf(agent: AgentRow, store: ApiDeps["store"]) {
  return agent.ephemeral ? undefined : namesakeWarning(store, agent);
}
