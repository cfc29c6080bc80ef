/** `rexec token`, `grant` and `group`, as people use them against a real gateway. */
import { describe, expect, test } from "bun:test";
import { environment, rexec } from "../client/support/cli.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";

function runAs(gateway: TestGateway, token = gateway.token) {
  const env = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: token });
  return async (...args: string[]) => {
    const { code, stdout, stderr } = await rexec(args, env);
    return { code, out: stdout.toString(), err: stderr };
  };
}

describe("rexec token", () => {
  test("makes one that may do what it was made for, lists it, and revokes it by name", async () => {
    await using gateway = await startGateway();
    const { id } = await gateway.register("web-1");
    await gateway.register("db-1");
    const run = runAs(gateway);
    const made = await run(
      "token",
      "create",
      "ci",
      "--scope",
      "exec",
      "--scope",
      "read",
      "--only",
      "web-1",
      "--expires",
      "30d",
    );
    expect(made).toMatchObject({ code: 0, err: expect.stringContaining("shown this once") });
    const secret = made.out.trim();
    const seen = await gateway.api("GET", "/api/agents", undefined, secret);
    expect(seen.json.map(({ name }: { name: string }) => name)).toEqual(["web-1"]);
    expect((await gateway.api("PATCH", `/api/agents/${id}`, { name: "x" }, secret)).status).toBe(403);
    const listed = await run("token", "ls");
    expect(listed.out).toMatch(/^ci +rexec_\w+… +exec,read +\S+ +just now/m);
    expect(listed.out).toMatch(/^ci .* web-1 /m);
    expect(listed.out).not.toContain(secret);
    expect((await run("token", "revoke", "ci")).code).toBe(0);
    expect((await gateway.api("GET", "/api/agents", undefined, secret)).status).toBe(401);
    expect((await run("token", "ls")).out).not.toMatch(/^ci /m);
    expect((await run("token", "ls", "--all")).out).toMatch(/^ci .*revoked$/m);
    expect(await run("token", "revoke", "ci")).toMatchObject({
      code: 4,
      err: expect.stringContaining('no valid token "ci"\nhint: rexec token ls'),
    });
    const data = ["--data", gateway.dataDir];
    expect(await run("admin", "tokens", "revoke", "ci", ...data)).toMatchObject({
      code: 4,
      err: expect.stringContaining('no valid token "ci"\nhint: rexec admin tokens ls'),
    });
  });

  test("refuses what makes no sense, and says what does", async () => {
    await using gateway = await startGateway();
    const run = runAs(gateway);
    expect(await run("token", "create", "x", "--expires", "soon")).toMatchObject({ code: 2 });
    expect(await run("token", "create", "x", "--scope", "root")).toMatchObject({
      code: 1,
      err: expect.stringContaining("there are *, user, read, use, exec, manage, admin, agent"),
    });
    await run("token", "create", "twice");
    await run("token", "create", "twice");
    expect(await run("token", "revoke", "twice")).toMatchObject({
      code: 2,
      err: expect.stringContaining("give an id"),
    });
  });
});

describe("rexec grant and group", () => {
  test("let another user in, by name and by group, and out again", async () => {
    await using gateway = await startGateway();
    await gateway.register("web-1");
    const { userId, token } = await gateway.stranger();
    const name = (await gateway.gateway.store.users.get(userId))?.username ?? "";
    const [run, theirs] = [runAs(gateway), runAs(gateway, token)];
    expect((await theirs("ls")).out).toBe("");
    expect(await run("grant", "add", "web-1", "view", "--user", name)).toMatchObject({ code: 0 });
    expect((await theirs("ls")).out).toContain("web-1");
    const [, id = ""] = /^(\w{8}) .* view +web-1$/m.exec((await run("grant", "ls")).out) ?? [];
    expect((await theirs("grant", "ls")).out).toContain(id);
    expect(await theirs("grant", "rm", id)).toMatchObject({ code: 4 });
    expect(await run("grant", "rm", id)).toMatchObject({ code: 0 });
    expect((await theirs("ls")).out).toBe("");

    expect(await theirs("group", "create", "ops")).toMatchObject({
      code: 4,
      err: expect.stringContaining("administrators"),
    });
    expect(await run("group", "create", "ops")).toMatchObject({ code: 0 });
    expect(await run("group", "add", "ops", name)).toMatchObject({ code: 0 });
    expect(await run("grant", "add", "web-1", "use", "--group", "ops")).toMatchObject({ code: 0 });
    expect((await run("group", "ls")).out).toContain(name);
    expect((await theirs("ls")).out).toContain("web-1");
    expect(await run("group", "remove", "ops", name)).toMatchObject({ code: 0 });
    expect((await theirs("ls")).out).toBe("");
    expect(await run("group", "rm", "ops")).toMatchObject({ code: 0 });
    expect(await run("grant", "add", "web-1", "own", "--user", name)).toMatchObject({ code: 2 });
    expect(await run("grant", "add", "web-1", "use")).toMatchObject({ code: 2 });
  });
});
