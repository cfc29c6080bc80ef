/** Decides what a caller may do: the one place that compares users, scopes, rights and agents. */
import { ApiError } from "../http/api-error.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Page } from "../store/page.ts";
import type { Store } from "../store/store.ts";
import type { UserRow } from "../store/users.ts";
import { selects } from "./agent-selector.ts";
import type { Principal } from "./principal.ts";
import { type Action, type Level, passes, RULES, type Rule, reaches } from "./scopes.ts";

/** Why an action is refused; `code` is the answer's. */
interface Denial {
  code: "scope" | "not_yours" | "not_admin" | "restricted" | "agent_pending" | "join_token";
  message: string;
}

/** What a viewer's socket may do: look at sessions; type, open and end them; run commands. */
export interface ViewerRights {
  readonly watch: boolean;
  readonly use: boolean;
  readonly exec: boolean;
}

/** A list of agents: those that the user sees, or of every user. */
export interface AgentListOf {
  readonly userId: string;
  readonly all: boolean;
}

/** What a share may do with its one session: the name of its scope, and the level that it is. */
const SHARE_LEVELS: Readonly<Record<string, Level>> = { "share:view": "view", "share:type": "use" };

/** One for the gateway. Methods reject with the store's error. */
export class Access {
  readonly #store: Pick<Store, "agents" | "grants">;

  constructor(store: Pick<Store, "agents" | "grants">) {
    this.#store = store;
  }

  async may(principal: Principal, action: Action, agent?: AgentRow): Promise<boolean> {
    return (await this.#denial(principal, action, agent)) === null;
  }

  /**
   * @param agent the agent that it is about; required for an action that needs a level
   * @throws ApiError 403
   */
  async require(principal: Principal, action: Action, agent?: AgentRow): Promise<void> {
    const denial = await this.#denial(principal, action, agent);
    if (denial) throw new ApiError(403, denial.code, denial.message);
  }

  /** What the caller may do with the agent at most, by its user's rights and its own restrictions; null for nothing. */
  async level(principal: Principal, agent: AgentRow): Promise<Level | null> {
    const { credential } = principal;
    if (credential.kind === "join") return null;
    if (credential.agentId !== null && credential.agentId !== agent.id) return null;
    if (!selects(credential.only, agent)) return null;
    const level = await this.#userLevel(principal, agent);
    if (credential.kind !== "share") return level;
    const most = SHARE_LEVELS[credential.scopes[0] ?? ""] ?? null;
    return most !== null && reaches(level, most) ? most : null;
  }

  /** What a viewer's socket of the caller may do at an agent. */
  async viewerRights(principal: Principal, agent: AgentRow): Promise<ViewerRights> {
    if (principal.credential.kind === "share") {
      const level = await this.level(principal, agent);
      return { watch: reaches(level, "view"), use: reaches(level, "use"), exec: false };
    }
    const [watch, use, exec] = await Promise.all([
      this.may(principal, "agent:watch", agent),
      this.may(principal, "agent:use", agent),
      this.may(principal, "agent:exec", agent),
    ]);
    return { watch, use, exec };
  }

  /**
   * A page of the agents that the caller sees: its user's own, and those that it has a right to.
   * @param pending those that wait to be accepted, and no others
   */
  async visibleAgents(principal: Principal, page: Page | null = null, pending = false): Promise<AgentRow[]> {
    const { user, credential } = principal;
    if (credential.agentId !== null) {
      const agent = pending ? null : await this.#store.agents.get(credential.agentId);
      return agent && !agent.pending ? [agent] : [];
    }
    return this.#store.agents.listVisible(
      { userId: user.id, all: isAdministrator(principal), only: credential.only },
      page,
      pending,
    );
  }

  /** Whose list of agents a follower is told of: it goes by the user, and by whether it acts as an administrator. */
  listOf(principal: Principal): AgentListOf {
    return { userId: principal.user.id, all: isAdministrator(principal) };
  }

  // --- internal ---

  async #denial(principal: Principal, action: Action, agent?: AgentRow): Promise<Denial | null> {
    const { user, credential } = principal;
    if (action === "public") return null;
    if (credential.kind === "join" && action !== "agents:register") {
      return { code: "join_token", message: JOIN_ONLY };
    }
    // What a share may do with its session is asked of `viewerRights`: over HTTP it does nothing but say what it is.
    if (credential.kind === "share" && action !== "share:read") {
      return { code: "scope", message: SHARE_ONLY };
    }
    if (action === "any") return null;
    const rule: Rule = RULES[action];
    if (credential.kind === "join") return null;
    if (agent?.pending && !WHILE_PENDING.has(action)) return { code: "agent_pending", message: PENDING };
    if (rule.byAgent && credential.kind === "token" && credential.scopes.includes("agent")) {
      if (!agent) return null;
      if (credential.agentId === agent.id) {
        return (await this.#backs(user, agent)) ? null : { code: "not_yours", message: UNBACKED };
      }
    }
    if (credential.kind === "share") return null;
    if (!passes(credential.scopes, rule)) return { code: "scope", message: scopeMessage(credential.scopes) };
    if (rule.admin && !user.is_admin) {
      return { code: "not_admin", message: "this is for administrators of this gateway" };
    }
    if (!rule.level) {
      const widens = credential.only.length > 0 && UNRESTRICTED.has(action);
      return widens ? { code: "restricted", message: RESTRICTED } : null;
    }
    if (!agent) throw new Error(`the action ${action} is about an agent`);
    if (!selects(credential.only, agent)) return { code: "restricted", message: RESTRICTED };
    const level = await this.#userLevel(principal, agent);
    if (reaches(level, rule.level)) return null;
    if (level === null) return { code: "not_yours", message: "this agent belongs to someone else" };
    const message = `this needs the right "${rule.level}" on the agent, and ${user.username} has "${level}"`;
    return { code: "not_yours", message };
  }

  /** A token of the agent counts as long as the user that it was made for may manage the agent. */
  async #backs(user: UserRow, agent: AgentRow): Promise<boolean> {
    if (agent.user_id === user.id) return true;
    if (user.disabled_at !== null) return false;
    return user.is_admin || reaches(await this.#store.grants.levelOf(user.id, agent), "manage");
  }

  async #userLevel(principal: Principal, agent: AgentRow): Promise<Level | null> {
    // A share's scopes say what its guests may do; what its maker may do is the maker's.
    const isAdmin =
      principal.credential.kind === "share" ? principal.user.is_admin : isAdministrator(principal);
    if (agent.user_id === principal.user.id || isAdmin) return "manage";
    if (agent.pending) return null;
    return this.#store.grants.levelOf(principal.user.id, agent);
  }
}

/** An administrator, with a credential that lets it act as one. */
export function isAdministrator({ user, credential }: Principal): boolean {
  return user.is_admin && passes(credential.scopes, RULES.admin);
}

// --- internal ---

const JOIN_ONLY = "this is a join token: it can register machines, and nothing else";
const SHARE_ONLY = "this token shares one session: it can show that session, and nothing else";
const UNBACKED = "this token was made for a user who may not manage this agent any more";
const PENDING = "this machine waits to be accepted: rexec accept";
const RESTRICTED = "this token is restricted to other agents";

/** What may be done to an agent that waits, by its owner and itself. `agent:connect` is put off, not refused: `upgrade.ts`. */
const WHILE_PENDING: ReadonlySet<Action> = new Set<Action>([
  "agent:view",
  "agent:accept",
  "agent:describe",
  "agent:unregister",
  "agent:connect",
]);

/** What a restricted token may not do, since it would reach beyond its agents. */
const UNRESTRICTED: ReadonlySet<Action> = new Set<Action>([
  "account:manage",
  "tokens:manage",
  "tokens:create",
  "agents:follow",
  "agents:register",
  "joins:manage",
  "audit:read",
  "admin",
]);

function scopeMessage(scopes: readonly string[]): string {
  return scopes.includes("agent")
    ? "this is an agent's token: it can connect and describe its own agent, and nothing else"
    : `this token's scopes (${scopes.join(", ") || "none"}) do not allow that`;
}
