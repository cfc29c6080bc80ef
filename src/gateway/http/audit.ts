/** `/api/audit`: who did what. */
import { auditListBody } from "../../protocol/http-audit.ts";
import { auditView } from "../audit/view.ts";
import { isAdministrator } from "../auth/access.ts";
import type { Principal } from "../auth/principal.ts";
import type { AuditFilter } from "../store/audit.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps } from "./context.ts";
import { cursorOf, MAX_PAGE, PAGE_QUERY, pageOf, pageWish } from "./paging.ts";
import { type KnownCall, type Route, route } from "./route.ts";

/** Most characters of a condition. */
const LONGEST_CONDITION = 256;
/** Agents that a member manages, but does not own, whose rows are shown. */
const MOST_MANAGED = 1_000;

export const auditRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/audit",
    action: "audit:read",
    summary:
      "List the audit log, newest first: of an administrator all of it, else what the caller did and what concerns agents that it manages",
    query: {
      ...PAGE_QUERY,
      since: "RFC 3339: from then on",
      until: "RFC 3339: before then",
      user: "id or name of a user",
      agent: "id or name of an agent",
      action: "one action, `exec.finished`, or all of a kind, `exec.`",
      session: "name of a session",
      follow: "1: lines of JSON, oldest first, that go on with what happens; an empty line means nothing",
      after: "with follow: rows behind this `seq`; without it what happens from now on",
    },
    answer: auditListBody,
    async handle(call) {
      const { c, deps, principal } = call;
      const filter = { ...filterOf(call), seenBy: await seenBy(principal, deps) };
      if (c.req.query("follow") !== undefined) return follow(call, filter);
      const wish = pageWish(c) ?? { limit: MAX_PAGE, after: null };
      const rows = await deps.store.audits.page(filter, wish.limit + 1, wish.after);
      const page = pageOf(c, rows, wish);
      const last = page.at(-1);
      const next = last && rows.length > page.length ? cursorOf(last) : undefined;
      return c.json({ entries: page.map(auditView), next });
    },
  }),
];

// --- internal ---

/** @throws ApiError 400 */
function filterOf({ c }: KnownCall<unknown>): AuditFilter {
  const text = (name: string) => {
    const value = c.req.query(name);
    if (value === undefined || (value !== "" && value.length <= LONGEST_CONDITION)) return value;
    throw new ApiError(400, "bad_filter", `${name} has 1 to ${LONGEST_CONDITION} characters`);
  };
  const time = (name: string) => {
    const value = text(name);
    if (value === undefined) return undefined;
    const ms = RFC3339.test(value) ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(ms))
      throw new ApiError(400, "bad_filter", `${name} is a time such as 2026-01-31T12:00:00Z`);
    return new Date(ms).toISOString();
  };
  return {
    since: time("since"),
    until: time("until"),
    user: text("user"),
    agent: text("agent"),
    action: text("action"),
    session: text("session"),
  };
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** What a member sees; undefined for an administrator, who sees all. */
async function seenBy(principal: Principal, { access }: ApiDeps): Promise<AuditFilter["seenBy"]> {
  if (isAdministrator(principal)) return undefined;
  const { id } = principal.user;
  const managed: string[] = [];
  for (const agent of await access.visibleAgents(principal)) {
    if (managed.length >= MOST_MANAGED) break;
    // Rows name the owner of the time; an agent that changed hands since is the new owner's to see as well.
    if ((await access.level(principal, agent)) === "manage") managed.push(agent.id);
  }
  return { userId: id, managed };
}

/** @throws ApiError 400, 429 */
function follow({ c, deps, principal }: KnownCall<unknown>, filter: AuditFilter): Response {
  const after = c.req.query("after");
  if (after !== undefined && !/^\d{1,15}$/.test(after))
    throw new ApiError(400, "bad_after", "after is the seq of a row");
  const { user, credential } = principal;
  if (!deps.auditTail.hasRoomFor(user.id)) {
    const message = "too many clients follow the audit log: end one of them";
    throw new ApiError(429, "too_many_followers", message, { "Retry-After": "30" });
  }
  const stream = deps.auditTail.follow({
    userId: user.id,
    credentialId: credential.id,
    expiresAt: credential.expiresAt === null ? null : Date.parse(credential.expiresAt),
    filter,
    after: after === undefined ? null : Number(after),
  });
  return c.body(stream, 200, {
    "Content-Type": "application/jsonl; charset=utf-8",
    "X-Accel-Buffering": "no",
  });
}
