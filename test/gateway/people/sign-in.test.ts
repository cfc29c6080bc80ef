import { describe, expect, test } from "bun:test";
import { addUser, Browser, PASSWORD, secretOf, signedIn } from "../../support/browser.ts";
import { startGateway } from "../../support/gateway.ts";

describe("signing in by a password", () => {
  test("sets a cookie that is the user's credential, and signing out ends it", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada", { name: "Ada" });
    const browser = new Browser(gateway.url);
    const answer = await browser.signIn("  ADA ");
    expect(answer.status).toBe(200);
    expect(answer.json.user).toMatchObject({ username: "ada", name: "Ada", is_admin: false });
    const set = answer.headers.get("set-cookie") ?? "";
    expect(set).toMatch(
      /^rexec_session=rexec_web_[0-9a-f]{64}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/,
    );
    expect(answer.text).not.toContain("rexec_web_");
    expect((await browser.send("GET", "/api/profile")).json.user.username).toBe("ada");
    expect((await browser.send("POST", "/api/tokens", { name: "mine" })).status).toBe(201);
    const { cookie } = browser;
    expect((await browser.send("POST", "/api/sign-out")).status).toBe(200);
    expect(browser.cookie).toBe("");
    expect(await browser.send("GET", "/api/profile", undefined, { cookie })).toMatchObject({
      status: 401,
      json: { code: "session_ended" },
    });
  });

  test("refuses a wrong password and an unknown user in the same words", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    const browser = new Browser(gateway.url);
    const wrong = await browser.signIn("ada", "wrong horse battery");
    const unknown = await browser.signIn("eve", "wrong horse battery");
    const without = await browser.signIn("admin", PASSWORD);
    expect(wrong.status).toBe(401);
    const said = ({ json: { request_id: _, ...rest } }: typeof wrong) => rest;
    expect([said(unknown), said(without)]).toEqual([said(wrong), said(wrong)]);
    expect(browser.cookie).toBe("");
  });

  test.each([["\ud800"], ["a\u0000b"], ["x".repeat(300)], ["' OR 1=1 --"], ["%"]])(
    "knows no user %j, and nothing breaks",
    async (username) => {
      await using gateway = await startGateway();
      const browser = new Browser(gateway.url);
      expect((await browser.signIn(username, "wrong wrong wrong")).json.code).toBe("sign_in_failed");
      const page = await browser.form("/sign-in", { username, password: "wrong wrong wrong" });
      expect([page.status, page.text.includes("Wrong user name or password.")]).toEqual([401, true]);
    },
  );

  test("over https the cookie is bound to the host", async () => {
    await using gateway = await startGateway({ publicUrl: "https://rexec.example" });
    await addUser(gateway, "ada");
    const headers = { origin: "https://rexec.example" };
    const browser = new Browser(gateway.url);
    const answer = await browser.send(
      "POST",
      "/api/sign-in",
      { username: "ada", password: PASSWORD },
      headers,
    );
    expect(answer.headers.get("set-cookie")).toMatch(
      /^__Host-rexec=rexec_web_[0-9a-f]{64}; Path=\/; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax$/,
    );
    const [, value = ""] = browser.cookie.split("=");
    const profile = (cookie: string) => browser.send("GET", "/api/profile", undefined, { cookie });
    expect((await profile(browser.cookie)).status).toBe(200);
    for (const other of [`rexec_session=${value}`, `__host-rexec=${value}`, `x__Host-rexec=${value}`]) {
      expect((await profile(other)).json.code).toBe("token_missing");
    }
  });

  test("a session's secret counts in its cookie alone, and where there are two cookies in neither", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    const browser = await signedIn(gateway, "ada");
    const [, secret = ""] = browser.cookie.split("=");
    expect((await gateway.api("GET", "/api/profile", undefined, secret)).status).toBe(401);
    for (const cookie of [
      `${browser.cookie}; rexec_session=rexec_web_${"0".repeat(64)}`,
      `rexec_session=; ${browser.cookie}`,
      browser.cookie.replace("rexec_session", "rexec-session"),
      browser.cookie.replace("rexec_session", "Rexec_Session"),
    ]) {
      const answer = await browser.send("GET", "/api/profile", undefined, { cookie });
      expect([cookie.slice(0, 20), answer.json.code]).toEqual([cookie.slice(0, 20), "token_missing"]);
    }
    const beside = `theme=dark; ${browser.cookie}; a=b`;
    expect((await browser.send("GET", "/api/profile", undefined, { cookie: beside })).status).toBe(200);
  });

  test("gives a new secret each time, whatever the browser brought, and ends the session before", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    await addUser(gateway, "bob");
    const victim = new Browser(gateway.url);
    const planted = `rexec_session=rexec_web_${"ab".repeat(32)}`;
    victim.cookie = planted;
    await victim.signIn("ada");
    expect(victim.cookie).not.toBe(planted);
    const attacker = new Browser(gateway.url);
    attacker.cookie = planted;
    expect((await attacker.send("GET", "/api/profile")).status).toBe(401);
    const first = victim.cookie;
    await victim.signIn("bob");
    attacker.cookie = first;
    expect((await attacker.send("GET", "/api/profile")).json.code).toBe("session_ended");
    expect((await victim.send("GET", "/api/profile")).json.user.username).toBe("bob");
  });
});

describe("a session", () => {
  test("is listed with where it is from, and ended by its user alone", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    await addUser(gateway, "eve");
    const laptop = new Browser(gateway.url);
    await laptop.send(
      "POST",
      "/api/sign-in",
      { username: "ada", password: PASSWORD },
      { "user-agent": `Fox${"x".repeat(2_000)}` },
    );
    const phone = await signedIn(gateway, "ada");
    const eve = await signedIn(gateway, "eve");
    const { sessions } = (await phone.send("GET", "/api/account/sessions")).json;
    expect(sessions).toMatchObject([
      { method: "password", address: "127.0.0.1", current: false },
      { method: "password", current: true },
    ]);
    expect(sessions[0].user_agent).toHaveLength(256);
    const path = `/api/account/sessions/${sessions[0].id}`;
    expect((await eve.send("DELETE", path)).json.code).toBe("session_not_found");
    expect((await laptop.send("GET", "/api/profile")).status).toBe(200);
    expect((await phone.send("DELETE", path)).status).toBe(200);
    expect((await laptop.send("GET", "/api/profile")).json.code).toBe("session_ended");
    expect((await phone.send("DELETE", path)).status).toBe(404);
  });

  test("ends after its idle time, and at its end whatever its user does", async () => {
    await using idle = await startGateway({ sessionTimes: { idleMs: 50 } });
    await addUser(idle, "ada");
    const browser = await signedIn(idle, "ada");
    await Bun.sleep(60); // the time itself is what is tested
    expect((await browser.send("GET", "/api/profile")).json.code).toBe("session_expired");
    await using short = await startGateway({ sessionTimes: { absoluteMs: 300 } });
    await addUser(short, "ada");
    const other = new Browser(short.url);
    const { session } = (await other.signIn("ada")).json;
    await Bun.sleep(Math.max(0, Date.parse(session.expires_at) - Date.now()));
    expect((await other.send("GET", "/api/profile")).json.code).toBe("session_expired");
  });

  test("of a short idle time goes on while it is used, and its last use is noted no more often than each minute", async () => {
    await using short = await startGateway({ sessionTimes: { idleMs: 2_000 } });
    await addUser(short, "ada");
    const browser = await signedIn(short, "ada");
    const until = performance.now() + 4_000;
    while (performance.now() < until) {
      expect((await browser.send("GET", "/api/profile")).status).toBe(200);
      await Bun.sleep(50); // the time between two requests is what is tested
    }
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    const other = await signedIn(gateway, "ada");
    const seen = async () => (await other.send("GET", "/api/account/sessions")).json.sessions[0].last_seen_at;
    expect(await seen()).toBe(await seen());
  }, 20_000);

  test("is one of at most 50 of its user: the one that was not seen for the longest time ends", async () => {
    await using gateway = await startGateway();
    const id = await addUser(gateway, "ada");
    const { store } = gateway.gateway;
    const first = await signedIn(gateway, "ada");
    const row = {
      userId: id,
      method: "password" as const,
      address: "",
      userAgent: "",
      expiresAt: "2999-01-01T00:00:00Z",
    };
    for (let n = 0; n < 49; n += 1) await store.signInSessions.create(`hash ${n}`, row, 50, "");
    expect((await first.send("GET", "/api/account/sessions")).json.sessions).toHaveLength(50);
    const last = await signedIn(gateway, "ada");
    expect((await last.send("GET", "/api/account/sessions")).json.sessions).toHaveLength(50);
    expect((await first.send("GET", "/api/profile")).status).toBe(401);
  });

  test("is kept over a restart of the gateway", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    const { cookie } = await signedIn(gateway, "ada");
    await gateway.restart();
    const browser = new Browser(gateway.url);
    browser.cookie = cookie;
    expect((await browser.send("GET", "/api/profile")).status).toBe(200);
  });
});

describe("a password", () => {
  test("is changed with the current one, and the other sessions end", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    const [here, there] = [await signedIn(gateway, "ada"), await signedIn(gateway, "ada")];
    const change = (body: object) => here.send("PUT", "/api/account/password", body);
    const password = "a new horse battery";
    expect((await change({ password })).json.code).toBe("password_missing");
    expect((await change({ current: "wrong horse battery", password })).json.code).toBe("wrong_password");
    expect((await change({ current: PASSWORD, password: "short" })).json.code).toBe("bad_password");
    expect((await there.send("GET", "/api/profile")).status).toBe(200);
    expect((await change({ current: PASSWORD, password })).json).toMatchObject({ sessions_ended: 1 });
    expect((await there.send("GET", "/api/profile")).json.code).toBe("session_ended");
    expect((await here.send("GET", "/api/profile")).status).toBe(200);
    expect((await there.signIn("ada")).status).toBe(401);
    expect((await there.signIn("ada", password)).status).toBe(200);
  });

  test("is set by a token with all scopes for an account without one, and by no lesser token", async () => {
    await using gateway = await startGateway();
    const user = await gateway.mint(["user"]);
    const set = (token?: string) =>
      gateway.api("PUT", "/api/account/password", { password: PASSWORD }, token);
    expect((await set(user.token)).json.code).toBe("scope");
    expect((await set()).status).toBe(200);
    expect((await set()).json.code).toBe("password_missing");
    expect((await new Browser(gateway.url).signIn("admin")).status).toBe(200);
  });

  test.each([
    ["too short", "123456789"],
    ["too long", "x".repeat(1_025)],
    ["far too long", "x".repeat(70_000)],
  ])("that is %s is refused before it is hashed", async (_, password) => {
    await using gateway = await startGateway();
    expect((await gateway.api("POST", "/api/users", { username: "ada", password })).status).toBe(400);
    await addUser(gateway, "bob");
    const began = performance.now();
    const answer = await new Browser(gateway.url).signIn("bob", password);
    expect([400, 401]).toContain(answer.status);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test("of the greatest length, in any script, works", async () => {
    await using gateway = await startGateway();
    for (const [name, password] of [
      ["ada", "x".repeat(1_024)],
      ["bob", "pässwörter 日本語"],
    ] as const) {
      expect((await gateway.api("POST", "/api/users", { username: name, password })).status).toBe(201);
      expect((await new Browser(gateway.url).signIn(name, password.normalize("NFD"))).status).toBe(200);
    }
  });
});

describe("a login link", () => {
  test("signs in once, and not by a look at its page", async () => {
    await using gateway = await startGateway();
    const { json, status } = await gateway.api("POST", "/api/users/admin/login-link");
    expect(status).toBe(201);
    expect(json.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/login-link#rexec_link_[0-9a-f]{64}$/);
    expect(Date.parse(json.expires_at) - Date.now()).toBeLessThanOrEqual(600_000);
    const browser = new Browser(gateway.url);
    expect((await browser.send("GET", "/login-link")).status).toBe(200);
    const done = await browser.form("/login-link", { link: json.url });
    expect([done.status, done.headers.get("location")]).toEqual([303, "account"]);
    expect((await browser.send("GET", "/api/profile")).json.user.username).toBe("admin");
    const again = await new Browser(gateway.url).send("POST", "/api/sign-in/link", {
      link: secretOf(json.url),
    });
    expect(again).toMatchObject({ status: 410, json: { code: "link_invalid" } });
  });

  test("is replaced by the next one of its user", async () => {
    await using gateway = await startGateway();
    const make = async () => (await gateway.api("POST", "/api/users/admin/login-link")).json.url;
    const [first, second] = [await make(), await make()];
    const browser = new Browser(gateway.url);
    const use = (link: string) => browser.send("POST", "/api/sign-in/link", { link });
    expect((await use(first)).status).toBe(410);
    expect((await use(second)).status).toBe(200);
  });
});
