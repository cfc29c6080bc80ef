/** Attacks on rights: what goes on after the right, the role or the credential that it came from has ended. */
import { describe, expect, test } from "bun:test";
import { draftOf } from "../../src/gateway/audit/draft.ts";
import { Gathering, USER_ROWS } from "../../src/gateway/audit/gathering.ts";
import { makeToken } from "../../src/gateway/auth/token.ts";
import { DEAD_TOKENS_LISTED } from "../../src/gateway/quotas.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { recordingStage } from "../support/recording-stage.ts";
import { knock } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { until, within } from "../support/wait.ts";

interface Member {
  userId: string;
  token: string;
  name: string;
}

async function member(gateway: TestGateway): Promise<Member> {
  const { userId, token } = await gateway.stranger();
  const name = (await gateway.gateway.store.users.get(userId))?.username ?? "";
  return { userId, token, name };
}

async function administrator(gateway: TestGateway): Promise<Member> {
  const made = await member(gateway);
  expect((await gateway.api("PATCH", `/api/users/${made.name}`, { admin: true })).status).toBe(200);
  return made;
}

async function tagged(gateway: TestGateway, tags: string[]): Promise<{ id: string; token: string }> {
  const { json } = await gateway.api("POST", "/api/agents/register", { name: "box", tags });
  return { id: json.id, token: json.token };
}

describe("an administrator that was demoted", () => {
  for (const target of ["tag", "agent", "group"] as const) {
    test(`has no right left that it gave itself, by ${target}`, async () => {
      await using gateway = await startGateway();
      const box = await tagged(gateway, ["prod"]);
      const mallory = await administrator(gateway);
      const over = target === "tag" ? "tag:prod" : box.id;
      const to = target === "group" ? { group: "mine" } : { user: mallory.name };
      if (target === "group") {
        await gateway.api("POST", "/api/groups", { name: "mine" }, mallory.token);
        await gateway.api("POST", "/api/groups/mine/members", { user: mallory.name }, mallory.token);
      }
      const body = { ...to, target: over, level: "manage" };
      expect((await gateway.api("POST", "/api/grants", body, mallory.token)).status).toBe(201);
      await gateway.api("PATCH", `/api/users/${mallory.name}`, { admin: false });
      expect((await gateway.api("GET", `/api/agents/${box.id}`, undefined, mallory.token)).status).toBe(403);
      expect((await gateway.api("GET", "/api/agents", undefined, mallory.token)).json).toEqual([]);
    });
  }

  test("keeps its own agents' rights, what others gave it, and what it gave others", async () => {
    await using gateway = await startGateway();
    const [one, two] = [await tagged(gateway, ["a"]), await tagged(gateway, ["b"])];
    const [ada, bob] = [await administrator(gateway), await member(gateway)];
    await gateway.api("POST", "/api/grants", { user: ada.name, target: one.id, level: "view" });
    await gateway.api("POST", "/api/grants", { user: bob.name, target: "tag:b", level: "use" }, ada.token);
    await gateway.api("PATCH", `/api/users/${ada.name}`, { admin: false });
    expect((await gateway.api("GET", `/api/agents/${one.id}`, undefined, ada.token)).json.level).toBe("view");
    expect((await gateway.api("GET", `/api/agents/${two.id}`, undefined, bob.token)).json.level).toBe("use");
  });

  test("takes back no right over the agents of all users, of which it gave one", async () => {
    await using gateway = await startGateway();
    const [ada, bob] = [await administrator(gateway), await member(gateway)];
    const body = { user: bob.name, target: "tag:b", level: "use" };
    const { json } = await gateway.api("POST", "/api/grants", body, ada.token);
    await gateway.api("PATCH", `/api/users/${ada.name}`, { admin: false });
    expect((await gateway.api("DELETE", `/api/grants/${json.id}`, undefined, ada.token)).status).toBe(403);
    expect((await gateway.api("DELETE", `/api/grants/${json.id}`)).status).toBe(200);
  });
});

describe("a token of an agent that a manager of it made", () => {
  async function stage(gateway: TestGateway) {
    const box = await tagged(gateway, ["prod"]);
    const mallory = await member(gateway);
    const body = { user: mallory.name, target: "tag:prod", level: "manage" };
    const grant = (await gateway.api("POST", "/api/grants", body)).json.id as string;
    const wish = { name: "spare", scopes: ["agent"], agent_id: box.id };
    const token = (await gateway.api("POST", "/api/tokens", wish, mallory.token)).json.token as string;
    return { box, mallory, grant, token };
  }

  const WAYS: Record<string, (gateway: TestGateway, made: Awaited<ReturnType<typeof stage>>) => unknown> = {
    "the right is taken back": (gateway, { grant }) => gateway.api("DELETE", `/api/grants/${grant}`),
    "the tag goes": (gateway, { box }) => gateway.api("PATCH", `/api/agents/${box.id}`, { tags: [] }),
    "the user is disabled": (gateway, { mallory }) =>
      gateway.api("PATCH", `/api/users/${mallory.name}`, { disabled: true }),
    "the user is removed": (gateway, { mallory }) => gateway.api("DELETE", `/api/users/${mallory.name}`),
  };

  for (const [when, end] of Object.entries(WAYS)) {
    test(`connects it no more once ${when}, and its socket ends; the owner's goes on`, async () => {
      await using gateway = await startGateway();
      const made = await stage(gateway);
      const { box, token } = made;
      {
        await using taken = await V1Agent.connect(gateway, { id: box.id, token });
        await end(gateway, made);
        expect((await within(taken.closed, 2_000, "the socket to end")).code).toBe(4004);
      }
      const headers = { authorization: `Bearer ${token}` };
      expect([401, 403]).toContain((await knock(`${gateway.url}/ws/agent/${box.id}`, headers)).status);
      expect([401, 403]).toContain(
        (await gateway.api("DELETE", `/api/agents/${box.id}`, undefined, token)).status,
      );
      await using _agent = await V1Agent.connect(gateway, box);
      await until(() => gateway.gateway.hub.presence(box.id) !== null, 5_000, "the owner's agent");
    });
  }
});

describe("a token that expires", () => {
  test("makes no token, join token or sign-in that lasts longer", async () => {
    await using gateway = await startGateway();
    const short = await gateway.mint(["*"], { expires_in_seconds: 600 });
    const most = Date.now() + 601_000;
    for (const wish of [{}, { expires_in: 30 }, { expires_in_seconds: 7200 }]) {
      const body = { name: "longer", scopes: ["use"], ...wish };
      const { json } = await gateway.api("POST", "/api/tokens", body, short.token);
      expect(Date.parse(json.expires_at)).toBeLessThan(most);
    }
    const join = await gateway.api("POST", "/api/joins", { expires_in_seconds: 7200 }, short.token);
    expect(Date.parse(join.json.expires_at)).toBeLessThan(most);
    const { json } = await gateway.api("POST", "/api/device/code", { client: "laptop" }, null);
    const decide = (approve: boolean, token: string) =>
      gateway.api("POST", "/api/device/approve", { user_code: json.user_code, approve }, token);
    expect((await decide(true, short.token)).status).toBe(403);
    expect((await decide(true, gateway.token)).status).toBe(200);
  });
});

describe("what a recording shows", () => {
  test("is read by no token that may see no terminal, of a removed agent either", async () => {
    await using stage = await recordingStage();
    const { gateway, agentId } = stage;
    await stage.policy("always");
    await using viewer = stage.viewer();
    await viewer.attach();
    viewer.type("exit\n");
    await viewer.hears("ended");
    const { id } = await stage.recording("complete");
    const parts = ["cast", "index.json", "segments/0.json"];
    const statuses = async (scopes: string[]) => {
      const { token } = await gateway.mint(scopes);
      const answers = parts.map((part) =>
        gateway.api("GET", `/api/recordings/${id}/${part}`, undefined, token),
      );
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    const check = async (kept: string[][]) => {
      for (const scope of ["read", "manage", "admin"])
        expect(await statuses([scope])).toEqual([403, 403, 403]);
      for (const scopes of kept) expect(await statuses(scopes)).toEqual([200, 200, 200]);
    };
    await check([["use"], ["user"], ["*"]]);
    await gateway.api("DELETE", `/api/agents/${agentId}`);
    await check([["*"], ["admin", "use"]]);
  });
});

describe("a manager of an agent", () => {
  test("does not unsay what an administrator has said about recording it", async () => {
    await using gateway = await startGateway();
    const box = await tagged(gateway, ["prod"]);
    const mallory = await member(gateway);
    await gateway.api("POST", "/api/grants", { user: mallory.name, target: box.id, level: "manage" });
    const path = `/api/agents/${box.id}/recording-policy`;
    const never = { mode: "never" };
    expect((await gateway.api("PUT", path, never, mallory.token)).status).toBe(200);
    const body = { kind: "agent", target: box.id, mode: "always" };
    expect((await gateway.api("PUT", "/api/recording-policies", body)).status).toBe(200);
    expect((await gateway.api("PUT", path, never, mallory.token)).status).toBe(403);
    expect((await gateway.api("DELETE", path, undefined, mallory.token)).status).toBe(403);
    expect((await gateway.api("GET", path)).json.mode).toBe("always");
    expect((await gateway.api("DELETE", path)).status).toBe(200);
  });

  test("fills the list of policies neither with agents that are gone, nor to its end", async () => {
    await using gateway = await startGateway();
    const { recordingPolicies } = gateway.gateway.store;
    const box = await tagged(gateway, []);
    const about = (target: string) => ({ kind: "agent", target, mode: "never", input: false }) as const;
    for (let i = 0; i < 5; i += 1)
      await recordingPolicies.set({ ...about(crypto.randomUUID()), created_by: "gone" });
    expect(await recordingPolicies.set({ ...about(box.id), created_by: "x" }, 1)).not.toBeNull();
    expect(await recordingPolicies.list()).toHaveLength(1);
    const tag = { kind: "tag", target: "a", mode: "always", input: false, created_by: "x" } as const;
    expect(await recordingPolicies.set(tag, 1)).toBeNull();
    expect(await recordingPolicies.set(tag)).not.toBeNull();
  });
});

describe("a user that floods", () => {
  test("hides no action of another kind from the audit log", () => {
    const written: string[] = [];
    const gathering = new Gathering(({ action }) => written.push(action));
    const row = (action: string) => ({ ...draftOf({ action }, Date.now()), user_id: "mallory" });
    for (let i = 0; i < USER_ROWS.burst + 100; i += 1) gathering.add(row("agent.described"));
    for (const action of ["grant.created", "token.created", "exec.started"]) gathering.add(row(action));
    gathering.flush();
    expect(written).toContain("grant.created");
    expect(written).toContain("token.created");
    expect(written).toContain("exec.started");
    expect(written.length).toBeLessThan(USER_ROWS.burst + 100);
  });

  test("makes no more rows of dead tokens than are listed", async () => {
    await using gateway = await startGateway();
    const { userId } = await gateway.stranger();
    const { tokens } = gateway.gateway.store;
    const expiresAt = new Date(Date.now() - 1_000).toISOString();
    for (let i = 0; i < DEAD_TOKENS_LISTED + 20; i += 1)
      await tokens.createWithin(makeToken(), { userId, name: "short", scopes: ["use"], expiresAt }, 10);
    expect((await tokens.listOfUser(userId)).length).toBeLessThanOrEqual(DEAD_TOKENS_LISTED + 2);
  });
});
