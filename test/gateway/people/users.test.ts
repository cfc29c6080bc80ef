import { describe, expect, test } from "bun:test";
import { addUser, Browser, PASSWORD, secretOf, signedIn } from "../../support/browser.ts";
import { startGateway } from "../../support/gateway.ts";
import { TestSocket } from "../../support/socket.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { until, within } from "../../support/wait.ts";

/** How soon what a user has open is cut, ms. */
const CUT_MS = 1_000;

describe("users", () => {
  test("are made, listed in pages, shown and changed by administrators alone", async () => {
    await using gateway = await startGateway();
    const id = await addUser(gateway, " Ada ", { name: "Ada Lovelace", email: "ada@example.com" });
    await addUser(gateway, "bob", { admin: true });
    const ada = await signedIn(gateway, "ada");
    expect((await ada.send("GET", "/api/users")).json.code).toBe("not_admin");
    const bob = await signedIn(gateway, "bob");
    const { users } = (await bob.send("GET", "/api/users")).json;
    expect(users.map(({ username }: { username: string }) => username)).toEqual(["admin", "ada", "bob"]);
    expect(users[1]).toEqual({
      id,
      username: "ada",
      name: "Ada Lovelace",
      email: "ada@example.com",
      is_admin: false,
      created_at: expect.any(String),
    });
    const first = await bob.send("GET", "/api/users?limit=2");
    expect(first.json.users).toHaveLength(2);
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect((await bob.send("GET", next)).json.users).toMatchObject([{ username: "bob" }]);
    expect((await bob.send("GET", `/api/users/${id}`)).json.username).toBe("ada");
    expect((await bob.send("PATCH", "/api/users/ada", { name: "Augusta" })).json.name).toBe("Augusta");
    expect((await bob.send("PATCH", "/api/users/nobody", {})).json.code).toBe("user_not_found");
    expect((await gateway.api("POST", "/api/users", { username: "ADA" })).json.code).toBe("name_taken");
    expect(first.text).not.toContain("argon2");
  });

  test.each([
    ["", "blank"],
    ["a b", "a space"],
    ["-rf", "an option"],
    ["../etc", "a path"],
    ["<b>", "HTML"],
    ["ädä", "other letters"],
    ["0190a0b0-1234-7abc-8def-0123456789ab", "an id"],
    ["x".repeat(65), "too long"],
    ["a\u0000b", "NUL"],
  ])("are not called %j (%s)", async (username) => {
    await using gateway = await startGateway();
    expect((await gateway.api("POST", "/api/users", { username })).json.code).toBe("bad_body");
  });

  test("a member who is disabled loses sessions, tokens and sockets at once, and their machines stay", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    const ada = await signedIn(gateway, "ada");
    const { json: token } = await ada.send("POST", "/api/tokens", { name: "mine", scopes: ["*"] });
    const made = await gateway.api("POST", "/api/agents/register", { name: "box" }, token.token);
    await using agent = await V1Agent.connect(gateway, made.json);
    const at = `${gateway.url}/ws/agent/${made.json.id}/terminal`;
    const page = { cookie: ada.cookie, origin: gateway.url };
    await using bySession = await new TestSocket(at, { headers: page }).open();
    await using byToken = await new TestSocket(`${at}?token=${token.token}`).open();
    await using feed = await new TestSocket(`${gateway.url}/api/containers/events`, { headers: page }).open();
    const began = performance.now();
    expect((await gateway.api("PATCH", "/api/users/ada", { disabled: true })).status).toBe(200);
    const ends = await within(
      Promise.all([bySession.closed, byToken.closed, feed.closed]),
      CUT_MS,
      "the cut",
    );
    expect(performance.now() - began).toBeLessThan(CUT_MS);
    expect(ends.map(({ code }) => code)).toEqual([4004, 4004, 4004]);
    expect((await ada.send("GET", "/api/profile")).status).toBe(401);
    const refused = await gateway.api("GET", "/api/profile", undefined, token.token);
    expect(refused).toMatchObject({ status: 401, json: { code: "user_disabled" } });
    expect((await ada.signIn("ada")).json.code).toBe("user_disabled");
    expect((await gateway.api("POST", "/api/users/ada/login-link")).json.code).toBe("user_disabled");
    await agent.settle();
    expect((await gateway.api("GET", `/api/agents/${made.json.id}`)).json.status).toBe("online");
    expect((await gateway.api("PATCH", "/api/users/ada", { disabled: false })).status).toBe(200);
    expect((await gateway.api("GET", "/api/profile", undefined, token.token)).status).toBe(200);
    expect((await ada.send("GET", "/api/profile")).json.code).toBe("session_ended");
    expect((await ada.signIn("ada")).status).toBe(200);
  });

  test("an administrator who becomes a member sees no more of other users' machines, on open sockets too", async () => {
    await using gateway = await startGateway();
    const theirs = await gateway.register("theirs");
    await using agent = await V1Agent.connect(gateway, theirs);
    await addUser(gateway, "bob", { admin: true });
    const bob = await signedIn(gateway, "bob");
    const headers = { cookie: bob.cookie, origin: gateway.url };
    await using viewer = await new TestSocket(`${gateway.url}/ws/agent/${theirs.id}/terminal`, {
      headers,
    }).open();
    await using feed = await new TestSocket(`${gateway.url}/api/containers/events`, { headers }).open();
    expect((await feed.next("list")).container.count).toBe(1);
    const from = feed.messages.length;
    await gateway.api("PATCH", "/api/users/bob", { admin: false });
    await within(viewer.closed, CUT_MS, "the end of the terminal");
    expect((await feed.next("list", from)).container.count).toBe(0);
    const later = await gateway.register("later");
    const own = (await bob.send("POST", "/api/agents/register", { name: "own" })).json;
    await feed.find(({ container }) => container?.id === `agent:${own.id}`, "bob's own machine", from);
    expect(JSON.stringify(feed.messages.slice(from))).not.toContain(later.id);
    expect((await bob.send("GET", "/api/agents")).json).toHaveLength(1);
    await agent.settle();
  });

  test("a socket ends with the session that opened it: ended by hand, by a new password, at its end", async () => {
    await using gateway = await startGateway({
      timings: { tickMs: 20 },
      sessionTimes: { absoluteMs: 2_000 },
    });
    const registered = await gateway.register();
    await using _agent = await V1Agent.connect(gateway, registered);
    await addUser(gateway, "ada", { admin: true });
    const open = async () => {
      const browser = await signedIn(gateway, "ada");
      const headers = { cookie: browser.cookie, origin: gateway.url };
      const at = `${gateway.url}/ws/agent/${registered.id}/terminal`;
      return { browser, socket: await new TestSocket(at, { headers }).open() };
    };
    const one = await open();
    await one.browser.send("POST", "/api/sign-out");
    await within(one.socket.closed, CUT_MS, "the end by hand");
    const two = await open();
    const other = await signedIn(gateway, "ada");
    await other.send("PUT", "/api/account/password", { current: PASSWORD, password: "another password" });
    await within(two.socket.closed, CUT_MS, "the end by a new password");
    await gateway.api("PUT", "/api/users/ada/password", { password: PASSWORD });
    const three = await open();
    await within(three.socket.closed, 4_000, "the end of the session");
  });
});

describe("removing a user", () => {
  test("with machines is refused, until it is said what becomes of these", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    await addUser(gateway, "bob");
    const ada = await signedIn(gateway, "ada");
    const { json: box } = await ada.send("POST", "/api/agents/register", { name: "box" });
    const remove = (query = "") => gateway.api("DELETE", `/api/users/ada${query}`);
    expect((await remove()).json.code).toBe("has_agents");
    expect((await ada.send("GET", "/api/profile")).status).toBe(200);
    expect((await remove("?transfer_to=nobody")).json.code).toBe("user_not_found");
    expect((await remove("?transfer_to=ada")).json.code).toBe("bad_transfer");
    expect((await remove("?transfer_to=bob&with_agents=true")).json.code).toBe("bad_transfer");
    expect((await remove("?with_agents=yes")).json.code).toBe("bad_transfer");
    await using agent = await V1Agent.connect(gateway, box);
    expect((await remove("?transfer_to=bob")).json).toEqual({ agents: 1, transferred_to: "bob" });
    expect(await within(agent.closed, 5_000, "the agent to connect again")).toMatchObject({ code: 1012 });
    await using again = await V1Agent.connect(gateway, box);
    await again.settle();
    const bob = await signedIn(gateway, "bob");
    expect((await bob.send("GET", "/api/agents")).json).toMatchObject([{ id: box.id, status: "online" }]);
    expect((await ada.send("GET", "/api/profile")).status).toBe(401);
    expect((await ada.signIn("ada")).status).toBe(401);
    expect((await gateway.api("DELETE", "/api/users/bob?with_agents=true")).json).toEqual({ agents: 1 });
    expect(await within(again.closed, 5_000, "its end")).toMatchObject({ code: 4004 });
    expect((await gateway.api("GET", `/api/agents/${box.id}`)).status).toBe(404);
  });

  test("to a user who may have no more machines changes nothing", async () => {
    await using gateway = await startGateway({ quotas: { agents: 1 } });
    for (const name of ["ada", "bob"]) {
      await addUser(gateway, name);
      await (await signedIn(gateway, name)).send("POST", "/api/agents/register", { name });
    }
    const ada = await signedIn(gateway, "ada");
    const answer = await gateway.api("DELETE", "/api/users/ada?transfer_to=bob");
    expect(answer.json.code).toBe("agent_limit_reached");
    expect((await ada.send("GET", "/api/agents")).json).toHaveLength(1);
  });
});

describe("the last administrator", () => {
  test.each([
    ["demoted", "PATCH", { admin: false }],
    ["disabled", "PATCH", { disabled: true }],
    ["removed", "DELETE", undefined],
  ])("is not %s, by two at the same moment either", async (_, method, body) => {
    await using gateway = await startGateway();
    const alone = await gateway.api(method, "/api/users/admin", body);
    expect(alone).toMatchObject({ status: 409, json: { code: "last_admin" } });
    await addUser(gateway, "bob", { admin: true });
    const bob = await signedIn(gateway, "bob");
    const answers = await Promise.all([
      gateway.api(method, "/api/users/bob", body),
      bob.send(method, "/api/users/admin", body),
    ]);
    const users = await gateway.gateway.store.users.list(null);
    const left = users.filter(({ is_admin, disabled_at }) => is_admin && disabled_at === null);
    expect(left).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });
});

describe("an invite", () => {
  test("makes one account with the role that it says, on its page or over the API", async () => {
    await using gateway = await startGateway();
    const invite = async (body: object) => (await gateway.api("POST", "/api/invites", body)).json;
    const made = await invite({ name: "Ada", email: "ada@example.com", admin: true });
    expect(made.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/invite#rexec_link_[0-9a-f]{64}$/);
    const ada = new Browser(gateway.url);
    expect((await ada.send("GET", "/invite")).text).toContain("Choose a user name");
    const fields = { link: made.url, username: "Ada", name: "Ada L", password: PASSWORD };
    const done = await ada.form("/invite", fields);
    expect([done.status, done.headers.get("location")]).toEqual([303, "account"]);
    const { user } = (await ada.send("GET", "/api/profile")).json;
    expect(user).toMatchObject({ username: "ada", name: "Ada L", email: "ada@example.com", is_admin: true });
    const { url } = await invite({});
    const bob = new Browser(gateway.url);
    const body = { link: secretOf(url), username: "bob", password: PASSWORD };
    expect((await bob.send("POST", "/api/invites/accept", body)).status).toBe(201);
    expect((await bob.send("GET", "/api/profile")).json.user).toMatchObject({
      username: "bob",
      is_admin: false,
    });
    const { invites } = (await gateway.api("GET", "/api/invites")).json;
    expect(invites).toMatchObject([
      { name: "Ada", user_id: user.id, used_at: expect.any(String) },
      { name: "" },
    ]);
  });

  test("stays as it is where the name is taken or the password too short, and its form keeps what was typed", async () => {
    await using gateway = await startGateway();
    const { url } = (await gateway.api("POST", "/api/invites", {})).json;
    const browser = new Browser(gateway.url);
    const fields = { link: url, username: "admin", name: "Eve", password: PASSWORD };
    const taken = await browser.form("/invite", fields);
    expect(taken.status).toBe(409);
    expect(taken.text).toContain("Another user has this name");
    for (const kept of [`value="${url}"`, 'value="admin"', 'value="Eve"']) expect(taken.text).toContain(kept);
    expect(taken.text).not.toContain(PASSWORD);
    expect((await browser.form("/invite", { ...fields, username: "eve", password: "short" })).status).toBe(
      400,
    );
    expect((await browser.form("/invite", { ...fields, username: "eve" })).status).toBe(303);
  });

  test("is refused once it was taken back, has expired, or its maker is gone", async () => {
    await using gateway = await startGateway();
    const accept = async (url: string) => {
      const body = { link: url, username: "eve", password: PASSWORD };
      return (await new Browser(gateway.url).send("POST", "/api/invites/accept", body)).json.code;
    };
    const { id, url } = (await gateway.api("POST", "/api/invites", {})).json;
    expect((await gateway.api("DELETE", `/api/invites/${id}`)).status).toBe(200);
    expect((await gateway.api("DELETE", `/api/invites/${id}`)).json.code).toBe("invite_not_found");
    expect(await accept(url)).toBe("link_invalid");
    await addUser(gateway, "bob", { admin: true });
    const bob = await signedIn(gateway, "bob");
    const theirs = (await bob.send("POST", "/api/invites", { admin: true })).json.url;
    for (const change of [{ admin: false }, { admin: true, disabled: true }]) {
      await gateway.api("PATCH", "/api/users/bob", change);
      expect(await accept(theirs)).toBe("link_invalid");
    }
    await gateway.api("DELETE", "/api/users/bob");
    expect(await accept(theirs)).toBe("link_invalid");
    const { makeLinkSecret } = await import("../../../src/gateway/auth/secrets.ts");
    const { secret, hash } = makeLinkSecret();
    const { store } = gateway.gateway;
    const createdBy = (await store.users.firstAdmin())?.id ?? "";
    const expiresAt = new Date(Date.now() + 100).toISOString();
    await store.links.createInvite(hash, { name: "", email: "", isAdmin: true, createdBy, expiresAt });
    await until(() => Date.now() > Date.parse(expiresAt), 5_000, "it to expire");
    expect(await accept(secret)).toBe("link_invalid");
    expect((await gateway.api("POST", "/api/invites", { expires_in_seconds: 91 * 86_400 })).status).toBe(400);
  });
});
