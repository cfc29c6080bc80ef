import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { between, environment, expectRestored, rexec, temporaryHome } from "../../client/support/cli.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";

setDefaultTimeout(30_000);

/** A gateway that wants a poll each second. */
const gatewayFor = () => startGateway({ deviceFlow: { intervalS: 1 } });

async function start(gateway: TestGateway, body: object = { client: "laptop" }) {
  const { status, json } = await gateway.api("POST", "/api/device/code", body, null);
  expect(status).toBe(200);
  return json;
}

const poll = (gateway: TestGateway, code: string) =>
  gateway.api("POST", "/api/device/token", { device_code: code }, null);

const fileOf = (home: string) => JSON.parse(readFileSync(join(home, ".rexec/credentials.json"), "utf8"));

describe("the device flow over HTTP", () => {
  test("asks, is shown, is approved, and answers with a token that is listed and can be revoked", async () => {
    await using gateway = await startGateway({ deviceFlow: { intervalS: 0 } });
    const begun = await start(gateway, { client: "laptop", scopes: ["user", "user"] });
    expect(begun).toMatchObject({ verification_uri: `${gateway.url}/device`, expires_in: 600, interval: 0 });
    expect(begun.verification_uri).not.toContain(begun.user_code);
    const pending = await poll(gateway, begun.device_code);
    expect(pending.status).toBe(400);
    expect(pending.json).toMatchObject({ error: "authorization_pending" });
    expect(pending.json.error_description).toBeString();
    const shown = await gateway.api("POST", "/api/device/lookup", { user_code: begun.user_code });
    expect(shown.json).toMatchObject({ client: "laptop", address: "127.0.0.1", scopes: ["user"] });
    expect((await gateway.api("POST", "/api/device/approve", { user_code: begun.user_code })).status).toBe(
      200,
    );
    const granted = await poll(gateway, begun.device_code);
    expect(granted.json).toMatchObject({ token_type: "Bearer", scope: "user" });
    expect(granted.headers.get("cache-control")).toBe("no-store");
    const { access_token: token, token_id: id } = granted.json;
    expect((await gateway.api("GET", "/api/agents", undefined, token)).status).toBe(200);
    const listed = (await gateway.api("GET", "/api/tokens")).json.tokens;
    expect(listed.find((each: { id: string }) => each.id === id)).toMatchObject({
      name: "rexec on laptop",
      scopes: ["user"],
    });
    await gateway.api("DELETE", `/api/tokens/${id}`);
    expect((await gateway.api("GET", "/api/agents", undefined, token)).status).toBe(401);
    expect(gateway.log.join("\n")).not.toContain(token);
    expect(gateway.log.join("\n")).not.toContain(begun.user_code);
  });

  test("is approved by a credential that may manage the account alone", async () => {
    await using gateway = await gatewayFor();
    const { user_code } = await start(gateway);
    const agent = await gateway.register();
    const refused = [
      ...(await Promise.all(["user", "read", "admin"].map((scope) => gateway.mint([scope])))),
      agent,
    ];
    for (const { token } of refused) {
      for (const path of ["lookup", "approve"]) {
        expect((await gateway.api("POST", `/api/device/${path}`, { user_code }, token)).status).toBe(403);
      }
    }
    expect((await gateway.api("POST", "/api/device/approve", { user_code }, null)).status).toBe(401);
    const { token, userId } = await gateway.stranger();
    expect((await gateway.api("POST", "/api/device/approve", { user_code }, token)).status).toBe(200);
    expect(userId).toBeString();
  });

  test.each([
    [{ scopes: ["agent"] }, "bad_scope"],
    [{ scopes: ["root"] }, "bad_scope"],
    [{ scopes: [] }, "bad_scope"],
    [{ scopes: "user" }, "bad_body"],
    [{ client: 7 }, "bad_body"],
  ])("is refused with %j", async (body, code) => {
    await using gateway = await gatewayFor();
    const { status, json } = await gateway.api("POST", "/api/device/code", body, null);
    expect([status, json.code]).toEqual([400, code]);
  });

  test("a token may give itself up, an agent's own may not", async () => {
    await using gateway = await gatewayFor();
    const { token } = await gateway.mint(["read"]);
    expect((await gateway.api("POST", "/api/tokens/current/revoke", undefined, token)).status).toBe(200);
    expect((await gateway.api("GET", "/api/agents", undefined, token)).status).toBe(401);
    const agent = await gateway.register();
    expect((await gateway.api("POST", "/api/tokens/current/revoke", undefined, agent.token)).status).toBe(
      403,
    );
    expect((await gateway.api("GET", "/api/agents", undefined, agent.token)).status).toBe(200);
  });
});

describe("rexec login at a gateway", () => {
  test("shows a code, which a rexec that is signed in approves; logging out revokes the token", async () => {
    await using gateway = await gatewayFor();
    using home = temporaryHome();
    const env = environment({ HOME: home.path });
    const signedIn = environment({
      HOME: "/nonexistent",
      REXEC_HOST: gateway.url,
      REXEC_TOKEN: gateway.token,
    });
    await using screen = await between(`login --host ${gateway.url}`, env);
    await screen.shows("Or give an API token for");
    expect(screen.shown).toContain(`Open ${gateway.url}/device and enter this code:`);
    const code = /--approve ([A-Z]{4}-[A-Z]{4})/.exec(screen.shown)?.[1] ?? "";
    const approved = await rexec(["login", "--approve", code.toLowerCase()], signedIn, "y\n");
    expect(approved.stderr).toContain(
      `${hostname()} at 127.0.0.1 asks to sign in to ${new URL(gateway.url).host} as you`,
    );
    expect(approved.stderr).toContain("may do everything that you may");
    expect(approved.code).toBe(0);
    await expectRestored(screen, 0);
    expect(screen.shown).toContain(`logged in at ${gateway.url} as admin`);
    const { token, device } = fileOf(home.path).hosts[gateway.url];
    expect(device).toBe(true);
    expect(screen.shown).not.toContain(token.slice(6));
    expect((await rexec(["ls"], env)).code).toBe(0);
    // Approved once, and decided.
    const again = await rexec(["login", "--approve", code], signedIn, "y\n");
    expect([again.code, again.stderr]).toEqual([4, expect.stringContaining("was decided about already")]);
    const out = await rexec(["logout"], env);
    expect(out).toMatchObject({ code: 0, stderr: `logged out of ${gateway.url}\n` });
    expect((await gateway.api("GET", "/api/agents", undefined, token)).status).toBe(401);
  });

  test("gives the token of the earlier sign-in up, and asks for fewer scopes where that is wanted", async () => {
    await using gateway = await gatewayFor();
    using home = temporaryHome();
    const env = environment({ HOME: home.path });
    const signedIn = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: gateway.token });
    const signIn = async (words: string) => {
      await using screen = await between(`login --host ${gateway.url} ${words}`, env);
      await screen.shows("Or give an API token for");
      const code = /--approve ([A-Z]{4}-[A-Z]{4})/.exec(screen.shown)?.[1] ?? "";
      const approved = await rexec(["login", "--approve", code], signedIn, "y\n");
      await expectRestored(screen, 0);
      return { token: fileOf(home.path).hosts[gateway.url].token, said: approved.stderr };
    };
    const first = await signIn("--scopes read,use");
    expect(first.said).toContain("has the scopes read, use");
    const second = await signIn("--scopes user");
    expect((await gateway.api("GET", "/api/agents", undefined, first.token)).status).toBe(401);
    expect((await gateway.api("GET", "/api/agents", undefined, second.token)).status).toBe(200);
    await using wrong = await between(`login --host ${gateway.url} --scopes root`, env);
    await expectRestored(wrong, 1);
    expect(wrong.shown).toContain("a sign-in asks for one or more of the scopes");
    expect((await rexec(["login", "--token", "x", "--scopes", "read"], env)).code).toBe(2);
  });

  test("ends with a refusal", async () => {
    await using gateway = await gatewayFor();
    using home = temporaryHome();
    await using screen = await between(`login --host ${gateway.url}`, environment({ HOME: home.path }));
    await screen.shows(/--approve [A-Z]{4}-[A-Z]{4}/);
    await screen.shows("Or give an API token for");
    const code = /--approve ([A-Z]{4}-[A-Z]{4})/.exec(screen.shown)?.[1] ?? "";
    const signedIn = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: gateway.token });
    expect(await rexec(["login", "--approve", code], signedIn, "n\n")).toMatchObject({ code: 0 });
    await expectRestored(screen, 1);
    expect(screen.shown).toContain("the sign-in was refused");
  });

  test("takes a token that is typed while it waits", async () => {
    await using gateway = await gatewayFor();
    using home = temporaryHome();
    await using screen = await between(`login --host ${gateway.url}`, environment({ HOME: home.path }));
    await screen.shows("Or give an API token for");
    await screen.type("\r");
    await screen.shows(/Or give an API token for.*Or give an API token for/s);
    await screen.type(`${gateway.token}\r`);
    await expectRestored(screen, 0);
    expect(screen.shown).not.toContain(gateway.token.slice(6));
    expect(fileOf(home.path).hosts[gateway.url]).toEqual({ token: gateway.token, username: "admin" });
  });

  test("takes --token, a pipe and REXEC_TOKEN without a code", async () => {
    await using gateway = await gatewayFor();
    using home = temporaryHome();
    const env = environment({ HOME: home.path, REXEC_HOST: gateway.url });
    expect((await rexec(["login", "--token", gateway.token], env)).code).toBe(0);
    expect((await rexec(["login"], env, gateway.token)).code).toBe(0);
    expect((await rexec(["login"], { ...env, REXEC_TOKEN: gateway.token })).code).toBe(0);
    expect((await rexec(["login"], env)).stderr).toContain("no API token given");
    const mixed = await rexec(["login", "--approve", "BCDF-GHJK", "--token", "x"], env);
    expect([mixed.code, mixed.stderr]).toEqual([
      2,
      expect.stringContaining("--approve signs in another machine"),
    ]);
  });

  test("keeps several accounts of one server side by side", async () => {
    await using gateway = await gatewayFor();
    using home = temporaryHome();
    const env = environment({ HOME: home.path });
    const other = await gateway.stranger();
    const name = (await gateway.gateway.store.users.get(other.userId))?.username ?? "";
    const host = new URL(gateway.url).host;
    const whoami = async (words: string[] = []) =>
      JSON.parse((await rexec(["whoami", "--json", ...words], env)).stdout.toString()).user.username;
    await rexec(["login", "--host", gateway.url], env, gateway.token);
    await rexec(["login", "--host", gateway.url], env, other.token);
    expect(await whoami()).toBe(name);
    expect(await whoami(["--host", `admin@${host}`])).toBe("admin");
    expect(JSON.parse((await rexec(["use", "--json"], env)).stdout.toString())).toEqual([
      { host: gateway.url, username: name, current: true },
      { host: gateway.url, username: "admin", current: false },
    ]);
    expect(await rexec(["use", `admin@${host}`], env)).toMatchObject({
      stderr: `using ${gateway.url} as admin\n`,
    });
    expect(await whoami()).toBe("admin");
    expect((await rexec(["use", `eve@${host}`], env)).code).toBe(3);
    const out = await rexec(["logout"], env);
    expect(out.stderr).toContain(`logged out of ${gateway.url} as admin`);
    expect(out.stderr).toContain(`you are still logged in there as ${name}`);
    expect(await whoami()).toBe(name);
    await rexec(["login", "--host", gateway.url], env, gateway.token);
    expect((await rexec(["logout", "--host", `${name}@${host}`], env)).code).toBe(0);
    expect(fileOf(home.path).hosts[gateway.url]).toMatchObject({ username: "admin" });
    await rexec(["login", "--host", gateway.url], env, other.token);
    expect((await rexec(["logout", "--all"], env)).stderr).toBe(`logged out of ${gateway.url}\n`);
    expect((await rexec(["use"], env)).stderr).toContain("not logged in anywhere");
  });
});
