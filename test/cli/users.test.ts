/** `rexec admin users`, `admin login-link` and `passwd`, as people use them against a real gateway. */
import { describe, expect, test } from "bun:test";
import { environment, rexec } from "../client/support/cli.ts";
import { Browser, PASSWORD } from "../support/browser.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";

function runAs(gateway: TestGateway, token = gateway.token) {
  const env = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: token });
  return async (args: readonly string[], stdin: string | null = null) => {
    const { code, stdout, stderr } = await rexec(args, env, stdin);
    return { code, out: stdout.toString(), err: stderr };
  };
}

describe("rexec admin users", () => {
  test("makes, lists, changes and removes users", async () => {
    await using gateway = await startGateway();
    const run = runAs(gateway);
    const users = (...args: string[]) => run(["admin", "users", ...args]);
    const added = await run(["admin", "users", "add", "ada", "--name", "Ada L"], `${PASSWORD}\n`);
    expect(added).toMatchObject({ code: 0, err: "made ada, a member\n" });
    expect(await users("add", "bob", "--passwordless", "--admin")).toMatchObject({ code: 0 });
    expect((await new Browser(gateway.url).signIn("ada")).status).toBe(200);
    const table = (await users("ls")).out;
    expect(table).toMatch(/^ada +Ada L +member +active +\d{4}-\d\d-\d\d$/m);
    expect(table).toMatch(/^bob +bob +administrator +active /m);
    expect(JSON.parse((await users("ls", "--json")).out)).toHaveLength(3);
    expect(await users("promote", "ada")).toMatchObject({ code: 0, err: "ada is an administrator\n" });
    expect(await users("demote", "ada")).toMatchObject({ code: 0, err: "ada is a member\n" });
    expect(await users("disable", "ada")).toMatchObject({ code: 0, err: "ada is disabled\n" });
    expect((await users("ls")).out).toMatch(/^ada .* disabled /m);
    expect((await new Browser(gateway.url).signIn("ada")).json.code).toBe("user_disabled");
    expect(await users("enable", "ada")).toMatchObject({ code: 0, err: "ada is enabled\n" });
    expect(await run(["admin", "users", "passwd", "ada"], "a new password\n")).toMatchObject({ code: 0 });
    expect((await new Browser(gateway.url).signIn("ada", "a new password")).status).toBe(200);
    expect(await users("rm", "ada")).toMatchObject({ code: 0, err: "removed ada\n" });
    expect(await users("rm", "ada")).toMatchObject({ code: 4, err: expect.stringContaining("no such user") });
    await users("rm", "bob");
    const last = await users("rm", "admin", "--with-agents");
    expect(last.code).toBe(1);
    expect(last.err).toMatch(/admin is the last administrator[^\n]*\nhint: rexec admin users promote/);
  }, 60_000);

  test("says what becomes of the machines of a removed user, or asks for it", async () => {
    await using gateway = await startGateway();
    const run = runAs(gateway);
    const users = (...args: string[]) => run(["admin", "users", ...args]);
    for (const name of ["ada", "bob"]) await users("add", name, "--passwordless");
    const { userId, token } = await gateway.stranger();
    await gateway.api("POST", "/api/agents/register", { name: "box" }, token);
    const refused = await users("rm", userId);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("has agents: transfer them") });
    const moved = await users("rm", userId, "--transfer-to", "bob");
    expect(moved).toMatchObject({
      code: 0,
      err: expect.stringContaining("1 machine of theirs now belong to bob"),
    });
    expect((await users("rm", "bob", "--with-agents")).err).toBe("removed bob, with 1 machine\n");
  }, 30_000);

  test("invites by a link, lists what waits, and takes it back by its name", async () => {
    await using gateway = await startGateway();
    const run = runAs(gateway);
    const users = (...args: string[]) => run(["admin", "users", ...args]);
    const made = await users("invite", "--name", "Ada", "--expires", "1d");
    expect(made.out).toMatch(/^http:\S+\/invite#rexec_link_[0-9a-f]{64}\n$/);
    expect(made.err).toContain("shown this once");
    await users("invite", "--name", "Eve");
    const listed = await users("invites");
    expect(listed.out).toMatch(/Ada +member +\S+ \S+ +waits/);
    expect(listed.out).not.toContain("rexec_link_");
    expect(await users("uninvite", "Eve")).toMatchObject({ code: 0, err: "took back the invite Eve\n" });
    expect((await users("uninvite", "Eve")).code).toBe(4);
    const browser = new Browser(gateway.url);
    const body = { link: made.out.trim(), username: "ada", password: PASSWORD };
    expect((await browser.send("POST", "/api/invites/accept", body)).status).toBe(201);
    expect((await users("invites")).err).toContain("no invites");
    expect((await users("invites", "--all")).out).toMatch(/Ada .*accepted/);
    for (const expires of ["soon", "10s", "91d"]) {
      expect((await users("invite", "--expires", expires)).code).toBe(2);
    }
  }, 30_000);

  test("is for administrators, and tells others so", async () => {
    await using gateway = await startGateway();
    const { token } = await gateway.stranger();
    const ran = await runAs(gateway, token)(["admin", "users", "ls"]);
    expect(ran).toMatchObject({ code: 4, out: "", err: expect.stringContaining("for administrators") });
  });
});

describe("rexec passwd", () => {
  test("sets the own password, with the current one where there is one", async () => {
    await using gateway = await startGateway();
    const run = runAs(gateway);
    expect(await run(["passwd"], "short\n")).toMatchObject({
      code: 1,
      err: expect.stringContaining("10 to 1024"),
    });
    expect(await run(["passwd"], `${PASSWORD}\n`)).toMatchObject({ code: 0 });
    expect(await run(["passwd"], "wrong password\nanother password\n")).toMatchObject({
      err: expect.stringContaining("the current password is wrong"),
    });
    expect(await run(["passwd"], `${PASSWORD}\nanother password\n`)).toMatchObject({ code: 0 });
    expect((await new Browser(gateway.url).signIn("admin", "another password")).status).toBe(200);
    const lesser = await gateway.mint(["user"]);
    expect(await runAs(gateway, lesser.token)(["passwd"], `${PASSWORD}\n`)).toMatchObject({ code: 4 });
  }, 30_000);
});

describe("rexec browsers", () => {
  test("lists where one is signed in, and signs one browser or all of them out", async () => {
    await using gateway = await startGateway();
    const run = runAs(gateway);
    expect(await run(["browsers", "ls"])).toMatchObject({
      out: "",
      err: expect.stringContaining("no browser"),
    });
    await run(["passwd"], `${PASSWORD}\n`);
    const browsers = [new Browser(gateway.url), new Browser(gateway.url), new Browser(gateway.url)];
    for (const browser of browsers) await browser.signIn("admin");
    const [first] = JSON.parse((await run(["browsers", "ls", "--json"])).out);
    expect((await run(["browsers", "ls"])).out).toMatch(/127\.0\.0\.1 +just now +just now/);
    expect(await run(["browsers", "end", first.id])).toMatchObject({ code: 0 });
    const statuses = () =>
      Promise.all(browsers.map(async (each) => (await each.send("GET", "/api/profile")).status));
    expect(await statuses()).toEqual([401, 200, 200]);
    expect((await run(["browsers", "end", first.id])).code).toBe(4);
    expect((await run(["browsers", "end"])).code).toBe(2);
    expect((await run(["browsers", "end", "--all"])).err).toBe("signed out 2 browsers\n");
    expect(await statuses()).toEqual([401, 401, 401]);
  }, 30_000);
});

describe("rexec admin login-link", () => {
  test("makes a link that signs in, beside a gateway that runs", async () => {
    await using gateway = await startGateway();
    const run = (...args: string[]) =>
      runAs(gateway)(["admin", "login-link", "--data", gateway.dataDir, ...args]);
    expect(await run()).toMatchObject({ code: 1, err: expect.stringContaining("--url") });
    const made = await run("--url", `${gateway.url}/`);
    expect(made).toMatchObject({ code: 0, err: expect.stringContaining("signs admin in, once, until ") });
    expect(made.out.startsWith(`${gateway.url}/login-link#rexec_link_`)).toBe(true);
    const browser = new Browser(gateway.url);
    expect((await browser.form("/login-link", { link: made.out.trim() })).status).toBe(303);
    expect((await browser.send("GET", "/api/profile")).json.user.username).toBe("admin");
    expect(await run("nobody", "--url", gateway.url)).toMatchObject({
      code: 1,
      err: expect.stringContaining('no user "nobody"'),
    });
    expect((await run("--url", "rexec.example")).code).toBe(2);
    await gateway.api("POST", "/api/users", { username: "ada" });
    await gateway.api("PATCH", "/api/users/ada", { disabled: true });
    expect((await run("ada", "--url", gateway.url)).err).toContain("ada is disabled");
  }, 30_000);
});
