/** The people, agents and things that the table of roles is tried with. */
import { makeShareToken, makeToken } from "../../../src/gateway/auth/token.ts";
import type { TestGateway } from "../../support/gateway.ts";

interface Agent {
  id: string;
  token: string;
}

/** A secret for the given agent; null for none. */
type Caller = (agent: Agent) => Promise<string | null>;

/** The JSON that a route wants, where it decides by it or would refuse an empty one before it decides. */
export const BODIES: Readonly<Record<string, (stage: Stage) => Promise<unknown>>> = {
  "POST /api/tokens": async () => ({ name: "made", scopes: ["read"] }),
  "POST /api/agents/register": async () => ({ name: "made" }),
  "PATCH /api/agents/:id": async () => ({ description: "changed" }),
  "POST /api/joins": async () => ({}),
  "POST /api/agents/:id/sessions/:session/shares": async () => ({}),
  "POST /api/agents/:id/sessions/:session/control": async () => ({ mode: "everybody" }),
  "POST /api/agents/:id/kick": async () => ({ session: "main" }),
  "POST /api/kick": async (stage) => ({ user: stage.bystander }),
  "POST /api/grants": async (stage) => ({ user: stage.bystander, target: stage.lastAgent, level: "view" }),
  "POST /api/groups": async () => ({ name: `group-${crypto.randomUUID()}` }),
  "PUT /api/recording-policies": async () => ({ kind: "all", mode: "request" }),
  "PUT /api/agents/:id/recording-policy": async () => ({ mode: "request" }),
  "POST /api/groups/:group/members": async (stage) => ({ user: stage.bystander }),
};

/** The owner of the agents is a member; each agent is new, since a route may remove it. */
export class Stage {
  readonly #gateway: TestGateway;
  readonly #owner: { userId: string; token: string };
  readonly #member: { userId: string; token: string };
  readonly #granted: Record<"view" | "use" | "manage", { userId: string; token: string }>;
  /** The user name of one more member. */
  readonly bystander: string;
  lastAgent = "";

  private constructor(
    gateway: TestGateway,
    owner: { userId: string; token: string },
    member: { userId: string; token: string },
    granted: Stage["granted"],
    bystander: string,
  ) {
    this.#gateway = gateway;
    this.#owner = owner;
    this.#member = member;
    this.#granted = granted;
    this.bystander = bystander;
  }

  static async make(gateway: TestGateway): Promise<Stage> {
    const owner = await gateway.stranger();
    const member = await gateway.stranger();
    const granted = {
      view: await gateway.stranger(),
      use: await gateway.stranger(),
      manage: await gateway.stranger(),
    };
    const bystander = await gateway.gateway.store.users.get((await gateway.stranger()).userId);
    return new Stage(gateway, owner, member, granted, bystander?.username ?? "");
  }

  get granted() {
    return this.#granted;
  }

  /** A new agent of the owner, with rights for those that have one. */
  async agent(): Promise<Agent> {
    const agent = await registered(this.#gateway, this.#owner.token);
    for (const level of ["view", "use", "manage"] as const) {
      await this.#gateway.gateway.store.grants.give(
        {
          user_id: this.#granted[level].userId,
          group_id: null,
          agent_id: agent.id,
          tag: null,
          owner_id: null,
          level,
          created_by: "stage",
        },
        1_000_000,
      );
    }
    this.lastAgent = agent.id;
    return agent;
  }

  /** The path with something real in each of its parts. */
  async address(path: string, agent: Agent): Promise<string> {
    let filled = path.replace(":id", agent.id).replace(":session", "main");
    if (filled.includes(":token")) filled = filled.replace(":token", (await this.#mint(["read"])).id);
    if (filled.includes(":join")) filled = filled.replace(":join", await this.#join());
    if (filled.includes(":grant")) filled = filled.replace(":grant", await this.#grant(agent));
    if (filled.includes(":share")) filled = filled.replace(":share", (await this.#share(agent)).id);
    if (filled.includes(":recording")) filled = filled.replace(":recording", await this.#recording(agent));
    if (filled.includes(":group")) filled = filled.replace(":group", await this.#group());
    if (path.includes("members/:user")) filled = filled.replace(":user", this.bystander);
    return filled.replaceAll(/:[a-z]+/g, () => crypto.randomUUID());
  }

  async caller(name: string): Promise<Caller> {
    const tokens: Record<string, Caller> = {
      anonymous: async () => null,
      member: () => this.#fullTokenOf(this.#member.userId),
      view: () => this.#fullTokenOf(this.#granted.view.userId),
      use: () => this.#fullTokenOf(this.#granted.use.userId),
      manage: () => this.#fullTokenOf(this.#granted.manage.userId),
      owner: () => this.#fullTokenOf(this.#owner.userId),
      admin: async () => this.#fullTokenOf((await this.#gateway.gateway.store.users.firstAdmin())?.id ?? ""),
      share: async (agent) => (await this.#share(agent)).token,
      "own agent": async ({ token }) => token,
      "other agent": async () => (await registered(this.#gateway, this.#owner.token)).token,
      revoked: async () => {
        const made = await this.#mint(["*"]);
        await this.#gateway.gateway.store.tokens.revoke(made.id);
        return made.token;
      },
      expired: async () => (await this.#mint(["*"], new Date(Date.now() - 1_000).toISOString())).token,
    };
    const caller = tokens[name];
    if (!caller) throw new Error(`there is no caller ${name}`);
    return caller;
  }

  async scoped(scope: string): Promise<Caller> {
    return async () => (await this.#mint([scope])).token;
  }

  /** A new one, since a route may revoke the token that it is asked with. */
  async #fullTokenOf(userId: string): Promise<string> {
    const made = makeToken();
    await this.#gateway.gateway.store.tokens.create(made, { userId, name: "theirs", scopes: ["*"] });
    return made.token;
  }

  /** A recording of the agent, without its files. */
  async #recording(agent: Agent): Promise<string> {
    const now = new Date().toISOString();
    const { id } = await this.#gateway.gateway.store.recordings.create({
      id: crypto.randomUUID(),
      agent_id: agent.id,
      agent_name: "box",
      user_id: this.#owner.userId,
      user_name: "owner",
      session: "main",
      instance: crypto.randomUUID(),
      part: 1,
      kind: "shell",
      command: "",
      reason: "always",
      state: "complete",
      note: "",
      started_at: now,
      ended_at: now,
      duration_ms: 1,
      bytes: 0,
      cut_bytes: 0,
      cut_reason: "",
      exit_code: 0,
      signal: null,
      cols: 80,
      rows: 24,
      place: "folder",
    });
    return id;
  }

  /** A token of the owner. */
  async #mint(scopes: string[], expiresAt: string | null = null): Promise<Agent> {
    const made = makeToken();
    const row = await this.#gateway.gateway.store.tokens.create(made, {
      userId: this.#owner.userId,
      name: "minted",
      scopes,
      expiresAt,
    });
    return { id: row.id, token: made.token };
  }

  /** A right that the owner has given. */
  async #grant(agent: Agent): Promise<string> {
    const { json } = await this.#gateway.api(
      "POST",
      "/api/grants",
      { user: this.bystander, target: agent.id, level: "view" },
      this.#owner.token,
    );
    return json.id;
  }

  /** A join token of the owner. */
  async #join(): Promise<string> {
    return (await this.#gateway.api("POST", "/api/joins", {}, this.#owner.token)).json.id;
  }

  /** Of one session of the agent, made by its owner, for typing. */
  async #share(agent: Agent): Promise<Agent> {
    const made = makeShareToken();
    const row = await this.#gateway.gateway.store.shares.createWithin(
      made.hash,
      {
        user_id: this.#owner.userId,
        agent_id: agent.id,
        session: "main",
        instance: crypto.randomUUID(),
        name: "guest",
        level: "type",
        expires_at: new Date(Date.now() + 60_000).toISOString(),
      },
      1_000_000,
    );
    return { id: row?.id ?? "", token: made.token };
  }

  async #group(): Promise<string> {
    const { json } = await this.#gateway.api("POST", "/api/groups", { name: `g-${crypto.randomUUID()}` });
    return json.name;
  }
}

// --- internal ---

async function registered(gateway: TestGateway, token: string): Promise<Agent> {
  const { json } = await gateway.api("POST", "/api/agents/register", { name: "box" }, token);
  return { id: json.id, token: json.token };
}
