import { describe, expect, test } from "bun:test";
import { makeToken } from "../../../src/gateway/auth/token.ts";
import { SHARES_OF_USER, VIEWERS_OF_SHARE } from "../../../src/gateway/quotas.ts";
import { startGateway } from "../../support/gateway.ts";
import { member } from "../../support/member.ts";
import { knock } from "../../support/socket.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { type V2Stage, v2Stage } from "../../support/v2-stage.ts";
import type { V2Viewer } from "../../support/v2-viewer.ts";
import { until } from "../../support/wait.ts";

interface Made {
  id: string;
  token: string;
  link: string;
}

/** A share of `main`. @param as its maker; default: the administrator */
async function share(here: V2Stage, wish: object = {}, as?: string): Promise<Made> {
  const path = `/api/agents/${here.agentId}/sessions/main/shares`;
  const { status, json, text } = await here.gateway.api("POST", path, wish, as);
  if (status !== 201) throw new Error(`no share: ${status} ${text}`);
  return json;
}

const closed = (viewer: V2Viewer, ms = 1_000) =>
  until(() => viewer.closes[0] ?? null, ms, "the viewer's connection to be closed");

/** The status and the code with which a socket is refused. */
async function refusal(here: V2Stage, token: string, agentId = here.agentId, protocols = "rexec.v2") {
  const url = `${here.gateway.url}/ws/agent/${agentId}/terminal?id=x`;
  const headers = { Authorization: `Bearer ${token}`, "Sec-WebSocket-Protocol": protocols };
  const { status, json } = await knock(url, headers);
  return [status, json?.code];
}

describe("a share", () => {
  test("shows one session, under a name, and is listed with its uses and without its token", async () => {
    await using here = await v2Stage();
    await using owner = await here.viewer().attach();
    const made = await share(here, { name: "Bob from support" });
    expect(made.token).toMatch(/^rexec_share_[0-9a-f]{64}$/);
    expect(made.link).toBe(`${here.gateway.url}/share#${made.token}`);
    await using guest = await here.viewerOf(made.token).attach();
    await here.agent.write("main", "hello guest");
    await guest.sees("hello guest");
    expect(await guest.hears("control")).toMatchObject({ may_type: false, read_only: true });
    guest.type("x");
    await guest.hears("input_refused");
    owner.type("!");
    await until(() => here.agent.shell("main").typed.length > 0, 5_000, "the owner's input");
    expect(here.agent.shell("main").typed.toString()).toBe("!");
    await using third = await here.viewer().attach();
    expect((await third.hears("attached")).others?.map(({ name }) => name).sort()).toEqual([
      "admin",
      "shared: Bob from support",
    ]);
    const { json, text } = await here.gateway.api("GET", "/api/shares");
    expect(json.shares).toMatchObject([
      { id: made.id, level: "view", session: "main", state: "live", uses: 1 },
    ]);
    expect(text).not.toContain(made.token);
    expect(here.gateway.log.join("\n")).not.toContain(made.token);
    const viewers = await here.gateway.api("GET", `/api/agents/${here.agentId}/viewers`);
    expect(viewers.json.viewers).toMatchObject([
      { user: "admin", access: "use" },
      { user: "shared: Bob from support", access: "view", shared: true, sessions: ["main"] },
      { user: "admin" },
    ]);
    expect((await here.gateway.api("GET", "/api/share", undefined, made.token)).json).toMatchObject({
      session: "main",
      agent: { id: here.agentId },
      level: "view",
      by: "admin",
      online: true,
    });
  });

  test("with the level type lets its guest type, and nothing else", async () => {
    await using here = await v2Stage();
    await using _owner = await here.viewer().attach();
    const { token } = await share(here, { level: "type" });
    await using guest = await here.viewerOf(token).attach();
    guest.type("hi");
    await until(() => here.agent.shell("main").typed.toString() === "hi", 5_000, "the guest's input");
    guest.send({ type: "run", channel: 20, run: crypto.randomUUID(), command: "id" });
    guest.send({ type: "kill", session: "main" });
    guest.send({ type: "attach", channel: 21, session: "other", create: true, viewer: guest.id });
    guest.send({ type: "list" });
    expect((await guest.hears("sessions")).sessions).toHaveLength(1);
    const refused = guest.messages.filter(({ type }) => type === "refused");
    expect(refused.map((message) => "code" in message && message.code)).toEqual(Array(3).fill("not_allowed"));
    expect(here.agent.commands).toEqual([]);
    expect([...here.agent.shells.keys()]).toEqual(["main"]);
  });

  test("opens no other agent, session, instance, route or protocol", async () => {
    await using here = await v2Stage();
    await using _owner = await here.viewer().attach();
    await using _other = await here.viewer({ session: "other" }).attach();
    const elsewhere = await here.gateway.register("elsewhere");
    const { token } = await share(here, { level: "type" });
    expect(await refusal(here, token, elsewhere.id)).toEqual([403, "scope"]);
    expect(await refusal(here, token, here.agentId, "rexec.v1")).toEqual([403, "share_needs_v2"]);
    const agentSocket = await knock(`${here.gateway.url}/ws/agent/${here.agentId}`, {
      Authorization: `Bearer ${token}`,
    });
    expect(agentSocket.status).toBe(403);
    const at = `/api/agents/${here.agentId}`;
    const calls: [string, string, object?][] = [
      ["GET", "/api/agents"],
      ["GET", at],
      ["GET", "/api/profile"],
      ["GET", "/api/tokens/validate"],
      ["GET", "/api/tokens"],
      ["GET", "/api/shares"],
      ["GET", `${at}/sessions`],
      ["GET", `${at}/viewers`],
      ["DELETE", `${at}/sessions/main`],
      ["DELETE", at],
      ["PATCH", at, { description: "x" }],
      ["POST", `${at}/sessions/main/shares`, {}],
      ["POST", `${at}/sessions/main/control`, { mode: "only" }],
      ["POST", `${at}/kick`, { session: "main" }],
      ["POST", "/api/tokens", { name: "x", scopes: ["read"] }],
      ["POST", "/api/agents/register", { name: "x" }],
      ["POST", "/api/grants", { user: "admin", target: here.agentId, level: "view" }],
    ];
    for (const [method, path, body] of calls) {
      const { status } = await here.gateway.api(method, path, body, token);
      expect([method, path, status]).toEqual([method, path, 403]);
    }
    const feed = await knock(`${here.gateway.url}/api/containers/events`, {
      Authorization: `Bearer ${token}`,
    });
    expect(feed.status).toBe(403);
    await using guest = await here.viewerOf(token).attach();
    const { instance } = (await _other.hears("attached")).info;
    guest.send({ type: "attach", channel: 20, session: "main", instance, cursor: 0, viewer: guest.id });
    guest.send({ type: "attach", channel: 21, session: "other", viewer: guest.id });
    await until(
      () => guest.messages.some((message) => message.type === "refused" && message.channel === 21),
      5_000,
      "the refusal",
    );
    const attached = guest.messages.flatMap((message) =>
      message.type === "attached" ? [message.info.session] : [],
    );
    expect(new Set(attached)).toEqual(new Set(["main"]));
    expect(await guest.hears("attached")).toMatchObject({ info: { session: "main" } });
  });

  test("ends at once when it is revoked, for good, and two that revoke at the same moment do it once", async () => {
    await using here = await v2Stage();
    await using _owner = await here.viewer().attach();
    const made = await share(here);
    await using guest = await here.viewerOf(made.token).attach();
    const began = performance.now();
    const revoke = () => here.gateway.api("DELETE", `/api/shares/${made.id}`);
    const answers = await Promise.all([revoke(), revoke(), revoke()]);
    expect((await closed(guest)).code).toBe(4004);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect(await refusal(here, made.token)).toEqual([401, "share_revoked"]);
    expect((await here.gateway.api("GET", "/api/share", undefined, made.token)).status).toBe(401);
    const audit = async (action: string) =>
      (await here.gateway.api("GET", `/api/audit?action=${action}`)).json.entries.length;
    // Rows are written in batches.
    await until(async () => (await audit("share.revoked")) > 0, 5_000, "the audit to tell of the revocation");
    expect([await audit("share.created"), await audit("share.used"), await audit("share.revoked")]).toEqual([
      1, 1, 1,
    ]);
  });

  test("ends with its time, with its session, and with its maker's right", async () => {
    await using here = await v2Stage();
    await using owner = await here.viewer().attach();
    const maker = await member(here.gateway, here.agentId, "use", "maker");
    const made = await share(here, { level: "type" }, maker.token);
    await using guest = await here.viewerOf(made.token).attach();
    await maker.lose();
    expect((await closed(guest)).code).toBe(4004);
    expect(await refusal(here, made.token)).toEqual([403, "scope"]);

    const short = await share(here);
    const { store } = here.gateway.gateway;
    await using late = await here.viewerOf(short.token).attach();
    const row = await store.shares.get(short.id);
    expect(Date.parse(row?.expires_at ?? "") - Date.now()).toBeGreaterThan(3_590_000);

    here.agent.end("main", 0);
    await late.hears("ended");
    expect(await refusal(here, short.token)).toEqual([401, "share_ended"]);
    await using _again = await here.viewer().attach();
    expect(await refusal(here, short.token)).toEqual([401, "share_ended"]);
    expect(owner.closes).toEqual([]);
  });

  test("cuts its guests off when its time is over", async () => {
    await using here = await v2Stage();
    await using _owner = await here.viewer().attach();
    const brief = await share(here, { expires_in_seconds: 10 });
    await using guest = await here.viewerOf(brief.token).attach();
    const { code, reason } = await closed(guest, 11_500);
    expect([code, reason]).toEqual([4004, "the token expired"]);
    expect(await refusal(here, brief.token)).toEqual([401, "share_expired"]);
  }, 20_000);

  test("is made by what may do as much itself, and revoked by its maker or a manager", async () => {
    await using here = await v2Stage();
    await using _owner = await here.viewer().attach();
    const path = `/api/agents/${here.agentId}/sessions/main/shares`;
    const post = (as: string, body: object = {}) => here.gateway.api("POST", path, body, as);
    const looker = await member(here.gateway, here.agentId, "view");
    expect((await post(looker.token)).status).toBe(403);
    const manager = await here.gateway.mint(["manage"]);
    const noTerminal = await post(manager.token, { level: "view" });
    expect([noTerminal.status, noTerminal.json.code]).toEqual([403, "scope"]);
    const stranger = await here.gateway.stranger();
    expect((await post(stranger.token)).status).toBe(403);
    const user = await member(here.gateway, here.agentId, "use");
    const { id } = await share(here, {}, user.token);
    for (const as of [looker.token, stranger.token]) {
      expect((await here.gateway.api("DELETE", `/api/shares/${id}`, undefined, as)).status).toBe(403);
    }
    const readOnly = await here.gateway.api("GET", "/api/shares", undefined, looker.token);
    expect(readOnly.json.shares).toEqual([]);
    const chief = await member(here.gateway, here.agentId, "manage");
    expect((await here.gateway.api("GET", path, undefined, chief.token)).json.shares).toHaveLength(1);
    expect((await here.gateway.api("DELETE", `/api/shares/${id}`, undefined, chief.token)).status).toBe(200);
    expect((await post(here.gateway.token, { expires_in_seconds: 31 * 86_400 })).status).toBe(400);
    expect((await here.gateway.api("POST", path.replace("main", "none"), {})).status).toBe(404);
  });

  test("of another user's agent can be an administrator's, and ends with its being one", async () => {
    await using here = await v2Stage();
    await using _owner = await here.viewer().attach();
    const { store } = here.gateway.gateway;
    const root = await store.users.create({ username: "root2", isAdmin: true });
    const made = makeToken();
    await store.tokens.create(made, { userId: root.id, name: "theirs", scopes: ["*"] });
    const { token } = await share(here, { level: "type" }, made.token);
    await using guest = await here.viewerOf(token).attach();
    guest.type("x");
    await until(() => here.agent.shell("main").typed.toString() === "x", 5_000, "the guest's input");
    await store.users.change(root.id, { isAdmin: false });
    await here.gateway.gateway.hub.publish({ type: "access_changed", userId: root.id, agentId: null });
    expect((await closed(guest)).code).toBe(4004);
    expect(await refusal(here, token)).toEqual([403, "scope"]);
  });

  test("of a session that has ended is listed as ended", async () => {
    await using here = await v2Stage();
    await using _owner = await here.viewer().attach();
    await share(here);
    here.agent.end("main", 0);
    await until(
      async () => (await here.gateway.api("GET", "/api/shares")).json.shares[0].state === "ended" || null,
      5_000,
      "the share to be over",
    );
  });

  test("has a bound for each user, and one for its guests", async () => {
    await using here = await v2Stage();
    await using _owner = await here.viewer().attach();
    const path = `/api/agents/${here.agentId}/sessions/main/shares`;
    const made = await Promise.all(
      Array.from({ length: SHARES_OF_USER + 5 }, () => here.gateway.api("POST", path, {})),
    );
    const over = made.filter(({ status }) => status !== 201);
    expect(over.map(({ json }) => json.code)).toEqual(Array(5).fill("share_limit_reached"));
    const { token } = made.find(({ status }) => status === 201)?.json ?? {};
    const guests: V2Viewer[] = [];
    for (let i = 0; i < VIEWERS_OF_SHARE; i += 1) guests.push(await here.viewerOf(token).connect());
    expect(await refusal(here, token)).toEqual([429, "too_many_viewers"]);
    await guests[0]?.[Symbol.asyncDispose]();
    await until(async () => (await refusal(here, token))[0] === 101, 5_000, "a place");
    for (const guest of guests) await guest[Symbol.asyncDispose]();
  });

  test("is refused for what an agent of rexec.v1 runs, and its page shows no secret", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using _agent = await V1Agent.connect(gateway, registered);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "one");
    await viewer.next("shell_started");
    const answer = await gateway.api("POST", `/api/agents/${registered.id}/sessions/main/shares`, {});
    expect([answer.status, answer.json.code]).toEqual([409, "no_sessions"]);
    const page = await fetch(`${gateway.url}/share`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("rexec connect --share");
  });
});
