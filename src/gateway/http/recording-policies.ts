/** Which sessions are recorded: `/api/recording-policies`, of one agent, and of one session on request. */
import {
  agentPolicyBody,
  decisionBody,
  policyBody,
  policyListBody,
  policyView,
  startedRecordingBody,
} from "../../protocol/http-recordings.ts";
import { isAdministrator } from "../auth/access.ts";
import { MOST_POLICIES, MOST_POLICIES_OF_MEMBERS, type PolicyRow } from "../store/recording-policies.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, findAgent, isId } from "./context.ts";
import { agentOf, type KnownCall, type Route, route } from "./route.ts";
import { linkOf } from "./sessions.ts";
import { userOf } from "./users.ts";

export const recordingPolicyRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/recording-policies",
    action: "admin",
    summary: "List which sessions are recorded",
    answer: policyListBody,
    async handle({ c, deps }) {
      const policies = await deps.store.recordingPolicies.list();
      const named = policies.map(async (policy) => ({ ...viewOf(policy), name: await nameOf(policy, deps) }));
      return c.json({ policies: await Promise.all(named) });
    },
  }),
  route({
    method: "PUT",
    path: "/api/recording-policies",
    action: "admin",
    summary: "Say whether sessions of an agent, of a tag, of a user, or all are recorded",
    body: policyBody,
    answer: policyView,
    async handle(call) {
      const { kind, target, mode, input } = call.body;
      return set(call, { kind, target: await targetOf(kind, target, call.deps), mode, input });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/recording-policies/:policy",
    action: "admin",
    summary: "Remove one of them",
    async handle(call) {
      const id = call.param("policy").toLowerCase();
      const policy = isId(id) ? await call.deps.store.recordingPolicies.get(id) : null;
      if (!policy) throw new ApiError(404, "policy_not_found", "no such policy");
      return remove(call, policy);
    },
  }),
  route({
    method: "GET",
    path: "/api/agents/:id/recording-policy",
    action: "agent:sessions",
    summary: "Say whether the caller's sessions on this agent are recorded, by all policies together",
    answer: decisionBody,
    async handle(call) {
      const { id: agentId, tags, own_tags: ownTags } = agentOf(call);
      const userId = call.principal.user.id;
      return call.c.json(call.deps.recordings.making.policies.decide({ agentId, tags, ownTags, userId }));
    },
  }),
  route({
    method: "PUT",
    path: "/api/agents/:id/recording-policy",
    action: "agent:manage",
    summary: "Say whether sessions of this agent are recorded",
    body: agentPolicyBody,
    answer: policyView,
    async handle(call) {
      await checkOverride(call, await call.deps.store.recordingPolicies.ofAgent(agentOf(call).id));
      return set(call, { kind: "agent", target: agentOf(call).id, ...call.body });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/agents/:id/recording-policy",
    action: "agent:manage",
    summary: "Remove what was said about this agent",
    async handle(call) {
      const policy = await call.deps.store.recordingPolicies.ofAgent(agentOf(call).id);
      if (!policy) throw new ApiError(404, "policy_not_found", "there is no policy about this agent");
      await checkOverride(call, policy);
      return remove(call, policy);
    },
  }),
  route({
    method: "POST",
    path: "/api/agents/:id/sessions/:session/recording",
    action: "agent:use",
    summary: "Record a session from now on",
    answer: startedRecordingBody,
    status: 201,
    async handle(call) {
      const { principal, c } = call;
      const link = await linkOf(call);
      const recorded = { agentId: agentOf(call).id, principal, address: c.env.address, asks: true };
      const outcome = await link.record(call.param("session"), recorded);
      if (outcome === "started") return c.json({ message: "the session is recorded" }, 201);
      if (outcome === "missing") throw new ApiError(404, "session_not_found", "no such session is running");
      throw new ApiError(409, "not_recorded", "it is recorded already, or a policy says never");
    },
  }),
  route({
    method: "DELETE",
    path: "/api/agents/:id/sessions/:session/recording",
    action: "agent:use",
    summary: "End the recording of a session",
    async handle(call) {
      const outcome = await (await linkOf(call)).stopRecording(call.param("session"));
      if (outcome === "stopped") return call.c.json({ message: "the recording has ended" });
      if (outcome === "missing") throw new ApiError(404, "session_not_found", "no such session is running");
      throw new ApiError(409, "still_recording", "it is not recorded, or a policy says always");
    },
  }),
];

// --- internal ---

type Wanted = Pick<PolicyRow, "kind" | "target" | "mode" | "input">;

/** What an administrator said about an agent, its managers do not unsay. @throws ApiError 403 */
async function checkOverride(
  { deps, principal }: KnownCall<unknown>,
  policy: PolicyRow | null,
): Promise<void> {
  if (!policy || policy.created_by === principal.user.id || isAdministrator(principal)) return;
  const maker = await deps.store.users.get(policy.created_by);
  if (!maker?.is_admin) return;
  throw new ApiError(403, "not_admin", "an administrator has said whether this agent is recorded");
}

async function set(call: KnownCall<unknown>, wanted: Wanted): Promise<Response> {
  const { c, deps, principal } = call;
  const most = isAdministrator(principal) ? MOST_POLICIES : MOST_POLICIES_OF_MEMBERS;
  const policy = await deps.store.recordingPolicies.set({ ...wanted, created_by: principal.user.id }, most);
  if (!policy) {
    throw new ApiError(403, "policy_limit_reached", `there are ${most} policies: remove one`);
  }
  await changed(call, "recording_policy.set", policy);
  return c.json(viewOf(policy));
}

async function remove(call: KnownCall<unknown>, policy: PolicyRow): Promise<Response> {
  await call.deps.store.recordingPolicies.remove(policy.id);
  await changed(call, "recording_policy.removed", policy);
  return call.c.json({ message: "policy removed" });
}

async function changed({ c, deps, principal }: KnownCall<unknown>, action: string, policy: PolicyRow) {
  await deps.recordings.making.reload();
  const { kind, target, mode, input } = policy;
  deps.audit.record({
    action,
    principal,
    address: c.env.address,
    target: kind === "all" ? "all" : `${kind}:${target}`,
    details: { mode, input },
  });
}

/** @throws ApiError 400, 404 */
async function targetOf(kind: PolicyRow["kind"], target: string, deps: ApiDeps): Promise<string> {
  if (kind === "all") return "";
  if (target === "") throw new ApiError(400, "bad_target", `a policy about a ${kind} names it as its target`);
  if (kind === "agent") return (await findAgent(deps.store, target)).id;
  if (kind === "tag") return target;
  return (await userOf(target, deps.store)).id;
}

async function nameOf({ kind, target }: PolicyRow, { store }: ApiDeps): Promise<string | null> {
  if (kind === "user") return (await store.users.get(target))?.username ?? null;
  return kind === "agent" ? ((await store.agents.get(target))?.name ?? null) : null;
}

function viewOf({ id, kind, target, mode, input }: PolicyRow) {
  return { id, kind, target, mode, input };
}
