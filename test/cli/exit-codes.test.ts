import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { environment, loggedIn, rexec, temporaryHome } from "../client/support/cli.ts";
import { agent, TOKEN, V1Server } from "../client/support/v1-server.ts";

const json = (body: unknown, status: number) => Response.json(body, { status });

describe("a command that the server or the way to it refuses", () => {
  const cases: [string, () => Response, number, RegExp, RegExp][] = [
    [
      "401",
      () => json({ error: "invalid token" }, 401),
      4,
      /answered 401 .*: invalid token/,
      /make a new one/,
    ],
    ["403", () => json({ error: "not yours" }, 403), 4, /403/, /scope/],
    ["404", () => json({ error: "not found" }, 404), 4, /404/, /--host/],
    ["429", () => json({ error: "slow down" }, 429), 1, /429/, /wait/],
    ["500 without JSON", () => new Response("boom", { status: 500 }), 1, /500 .*: boom/, /later/],
    ["200 with HTML", () => new Response("<html><title>Hello</title>"), 1, /"Hello"/, /--host/],
    [
      "200 with another JSON",
      () => json({ agents: 1 }, 200),
      1,
      /does not answer like a Rexec server/,
      /--host/,
    ],
  ];
  test.each(cases)("says so: %s", async (_, answer, code, message, hint) => {
    await using server = new V1Server({ intercept: answer });
    const ran = await rexec(["ls"], loggedIn(server.url));
    expect(ran.code).toBe(code);
    expect(ran.stdout.length).toBe(0);
    expect(ran.stderr.split("\n")[0]).toMatch(message);
    expect(ran.stderr.split("\n")[1]).toMatch(hint);
  });

  test("refuses to connect: exit code 1", async () => {
    const ran = await rexec(["ls"], loggedIn("http://127.0.0.1:1"));
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^error: .*127\.0\.0\.1:1.*\nhint: /);
  });

  test("never shows the token", async () => {
    await using server = new V1Server({ intercept: () => json({ error: `no ${TOKEN}` }, 401) });
    const ran = await rexec(["ls"], loggedIn(server.url, { REXEC_LOG: "debug" }));
    expect(ran.stderr).not.toContain(TOKEN);
  });

  test("says where it came from at debug, without pages of source text", async () => {
    await using server = new V1Server({ intercept: () => json({ error: "no" }, 401) });
    const ran = await rexec(["ls"], loggedIn(server.url, { REXEC_LOG: "debug" }));
    expect(ran.stderr).toMatch(/^\s+at \S+/m);
    expect(ran.stderr).not.toMatch(/^\s*\d+ \| /m);
  });
});

describe("logging in", () => {
  test("is asked for first: exit code 3", async () => {
    using home = temporaryHome();
    const cases: [string[], number][] = [
      [["ls"], 3],
      [["whoami"], 3],
      [["logout"], 3],
      // The codes of these are a remote program's.
      [["connect", "x"], 255],
      [["exec", "x", "--", "ls"], 255],
      [["attach", "x", "main"], 255],
    ];
    for (const [args, code] of cases) {
      const ran = await rexec(args, environment({ HOME: home.path }));
      expect(ran.code).toBe(code);
      expect(ran.stderr).toContain("not logged in at https://rexec.pipeops.io");
    }
  });

  test("takes the token from a pipe, checks it, and keeps it for its owner alone", async () => {
    await using server = new V1Server();
    using home = temporaryHome();
    const env = environment({ HOME: home.path });
    const file = join(home.path, ".rexec/credentials.json");
    const login = await rexec(["login", "--host", `${server.url}/`], env, `${TOKEN}\n`);
    expect(login).toMatchObject({ code: 0, stderr: `logged in at ${server.url} as ada\n` });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(home.path, ".rexec")).mode & 0o077).toBe(0);
    const who = await rexec(["whoami"], env);
    expect(who.stdout.toString()).toContain(`ada <ada@example.com> at ${server.url}`);
    expect(who.stdout.toString()).not.toContain(TOKEN);
    expect((await rexec(["ls"], env)).stdout.toString()).toContain("box");
    expect((await rexec(["logout"], env)).code).toBe(0);
    expect((await rexec(["ls"], env)).code).toBe(3);
  });

  test("keeps what was there where the server refuses the token", async () => {
    await using server = new V1Server();
    using home = temporaryHome();
    const env = environment({ HOME: home.path });
    await rexec(["login", "--host", server.url, "--token", TOKEN], env);
    const file = join(home.path, ".rexec/credentials.json");
    const before = readFileSync(file, "utf8");
    const ran = await rexec(["login", "--host", server.url, "--token", "rexec_wrong"], env);
    expect(ran.code).toBe(4);
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  test("says what a pipe without a token lacks", async () => {
    const ran = await rexec(["login", "--host", "http://127.0.0.1:1"], environment(), "");
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain("no API token given");
  });

  test("works at older servers, which only know the profile", async () => {
    await using server = new V1Server({
      intercept: (_, url) => {
        if (url.pathname === "/api/tokens/validate") return json({ error: "no route" }, 404);
        return url.pathname === "/api/profile" ? json({ id: "7", username: "flat" }, 200) : undefined;
      },
    });
    const ran = await rexec(["whoami", "--json"], loggedIn(server.url));
    expect(JSON.parse(ran.stdout.toString())).toMatchObject({
      user: { id: "7", username: "flat" },
      scopes: null,
    });
  });

  test("never sends a stored token to another server", async () => {
    await using known = new V1Server();
    const heard: (string | null)[] = [];
    await using other = new V1Server({
      intercept: (request) => {
        heard.push(request.headers.get("authorization"));
        return undefined;
      },
    });
    using home = temporaryHome();
    const env = environment({ HOME: home.path });
    await rexec(["login", "--host", known.url, "--token", TOKEN], env);
    expect((await rexec(["ls", "--host", other.url], env)).code).toBe(3);
    expect(heard).toEqual([]);
  });

  test("says which file is broken, and warns where others can read it", async () => {
    using home = temporaryHome();
    const env = environment({ HOME: home.path });
    mkdirSync(join(home.path, ".rexec"));
    const file = join(home.path, ".rexec/credentials.json");
    writeFileSync(file, "{ broken");
    chmodSync(file, 0o644);
    const ran = await rexec(["ls"], env);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain(`warning: others can read ${file}`);
    expect(ran.stderr).toContain(`error: cannot use ${file}: malformed JSON`);
  });
});

describe("ls", () => {
  test("shows a friendly hint, and nothing on stdout, where there is no machine", async () => {
    await using server = new V1Server({ agents: [] });
    const ran = await rexec(["ls"], loggedIn(server.url));
    expect(ran).toMatchObject({ code: 0, stdout: Buffer.from("") });
    expect(ran.stderr).toContain("no machines yet");
    expect((await rexec(["ls", "--json"], loggedIn(server.url))).stdout.toString()).toBe("[]\n");
  });

  test("lines up wide names, filters, and lets no name act on the terminal", async () => {
    const hour = new Date(Date.now() - 3 * 3_600_000).toISOString();
    const agents = [
      agent("漢字サーバ", { id: "aaaaaaaa-1", tags: ["prod", "eu"] }),
      agent("b", { id: "bbbbbbbb-2", status: "offline", last_ping: hour, tags: ["prod"] }),
      agent("c\x1b[2J", { id: "cccccccc-3", status: "registered", last_ping: "0001-01-01T00:00:00Z" }),
    ];
    await using server = new V1Server({ agents });
    const env = loggedIn(server.url);
    const table = (await rexec(["ls"], env)).stdout.toString();
    const rows = table.trimEnd().split("\n");
    const column = Bun.stringWidth((rows[0] ?? "").split("ID")[0] ?? "");
    for (const row of rows.slice(1)) {
      const before = /^(.*?)(aaaaaaaa|bbbbbbbb|cccccccc)/.exec(row)?.[1] ?? "";
      expect(Bun.stringWidth(before)).toBe(column);
    }
    expect(table).toContain("3 h ago");
    expect(table).toContain("never");
    expect(table).not.toContain("\x1b");
    const few = await rexec(["ls", "--tag", "prod", "--online", "--json"], env);
    expect(JSON.parse(few.stdout.toString()).map((each: { name: string }) => each.name)).toEqual([
      "漢字サーバ",
    ]);
  });
});
