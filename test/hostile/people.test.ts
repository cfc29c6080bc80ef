/** Attacks on signing in: links used twice, other sites' pages, floods of passwords, and names that are HTML. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { addUser, Browser, PASSWORD, signedIn } from "../support/browser.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { knock, TestSocket } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { attackedGateway } from "./support.ts";

const AT_ONCE = 20;

describe("a thing that works once", () => {
  test.each(["/api/sign-in/link", "/login-link"])(
    "a login link, %s: one of %#20 requests gets in",
    async (path) => {
      await using gateway = await startGateway();
      const { url } = (await gateway.api("POST", "/api/users/admin/login-link")).json;
      const browsers = Array.from({ length: AT_ONCE }, () => new Browser(gateway.url));
      await Promise.all(
        browsers.map((browser) =>
          path.startsWith("/api")
            ? browser.send("POST", path, { link: url })
            : browser.form(path, { link: url }),
        ),
      );
      expect(browsers.filter(({ cookie }) => cookie !== "")).toHaveLength(1);
    },
  );

  test("a login link, by its page and by the API at the same moment", async () => {
    await using gateway = await startGateway();
    for (let round = 0; round < 5; round += 1) {
      const { url } = (await gateway.api("POST", "/api/users/admin/login-link")).json;
      const [one, two] = [new Browser(gateway.url), new Browser(gateway.url)];
      await Promise.all([
        one.form("/login-link", { link: url }),
        two.send("POST", "/api/sign-in/link", { link: url }),
      ]);
      expect([one, two].filter(({ cookie }) => cookie !== "")).toHaveLength(1);
    }
  });

  test("an invite, by several at the same moment: one account", async () => {
    await using gateway = await startGateway();
    const { url } = (await gateway.api("POST", "/api/invites", { admin: true })).json;
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, n) => {
        const wish = { link: url, username: `eve-${n}`, password: PASSWORD };
        const browser = new Browser(gateway.url);
        return n % 2 ? browser.send("POST", "/api/invites/accept", wish) : browser.form("/invite", wish);
      }),
    );
    expect(answers.filter(({ status }) => status === 201 || status === 303)).toHaveLength(1);
    expect((await gateway.api("GET", "/api/users")).json.users).toHaveLength(2);
  });

  test("an invite is no login link, and a login link no invite", async () => {
    await using gateway = await startGateway();
    const invite = (await gateway.api("POST", "/api/invites", {})).json.url;
    const login = (await gateway.api("POST", "/api/users/admin/login-link")).json.url;
    const browser = new Browser(gateway.url);
    expect((await browser.send("POST", "/api/sign-in/link", { link: invite })).status).toBe(410);
    const wish = { link: login, username: "eve", password: PASSWORD };
    expect((await browser.send("POST", "/api/invites/accept", wish)).status).toBe(410);
    expect((await browser.send("POST", "/api/sign-in/link", { link: login })).status).toBe(200);
  });
});

describe("the page of another site", () => {
  let gateway: TestGateway;
  let victim: Browser;
  beforeAll(async () => {
    gateway = await startGateway();
    await addUser(gateway, "ada", { admin: true });
    victim = await signedIn(gateway, "ada");
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  /** What browsers send along with requests that other sites make. */
  const FOREIGN: readonly Record<string, string>[] = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { origin: "http://127.0.0.1:1", "sec-fetch-site": "same-site" },
    { origin: "http://127.0.0.1.evil.example" },
    { origin: "not an origin" },
  ];
  const requests: readonly [
    string,
    string,
    (headers: Record<string, string>) => Promise<{ status: number }>,
  ][] = [
    [
      "POST",
      "/api/tokens (JSON)",
      (headers) =>
        foreign("POST", "/api/tokens", '{"name":"theirs"}', {
          "content-type": "application/json",
          ...headers,
        }),
    ],
    [
      "POST",
      "/api/tokens (text)",
      (headers) =>
        foreign("POST", "/api/tokens", '{"name":"theirs"}', { "content-type": "text/plain", ...headers }),
    ],
    ["PATCH", "/api/users/admin", (headers) => foreign("PATCH", "/api/users/admin", '{"name":"x"}', headers)],
    ["DELETE", "/api/users/admin", (headers) => foreign("DELETE", "/api/users/admin", undefined, headers)],
    ["PUT", "/api/account/password", (headers) => foreign("PUT", "/api/account/password", "{}", headers)],
    [
      "POST",
      "/account",
      (headers) => foreign("POST", "/account", "password=0123456789", { ...FORM, ...headers }),
    ],
    ["POST", "/sign-out", (headers) => foreign("POST", "/sign-out", "", { ...FORM, ...headers })],
    ["POST", "/api/sign-out", (headers) => foreign("POST", "/api/sign-out", undefined, headers)],
    [
      "POST",
      "/sign-in",
      (headers) => foreign("POST", "/sign-in", `username=ada&password=${PASSWORD}`, { ...FORM, ...headers }),
    ],
    [
      "POST",
      "/api/sign-in",
      (headers) =>
        foreign("POST", "/api/sign-in", JSON.stringify({ username: "ada", password: PASSWORD }), headers),
    ],
    [
      "POST",
      "/api/agents/register",
      (headers) => foreign("POST", "/api/agents/register", '{"name":"x"}', headers),
    ],
  ];
  const FORM = { "content-type": "application/x-www-form-urlencoded" };

  async function foreign(
    method: string,
    path: string,
    body: string | undefined,
    headers: Record<string, string>,
  ) {
    const { status, headers: said } = await fetch(`${gateway.url}${path}`, {
      method,
      headers: { cookie: victim.cookie, ...headers },
      ...(body === undefined ? {} : { body }),
      redirect: "manual",
    });
    expect(said.get("set-cookie")).toBeNull();
    return { status };
  }

  test.each(requests)("is refused: %s %s", async (_, __, request) => {
    for (const headers of FOREIGN) expect([headers, (await request(headers)).status]).toEqual([headers, 403]);
    expect((await victim.send("GET", "/api/profile")).status).toBe(200);
  });

  test("opens no socket with the cookie", async () => {
    const registered = await gateway.register();
    await using _agent = await V1Agent.connect(gateway, registered);
    for (const path of [`/ws/agent/${registered.id}/terminal`, "/api/containers/events"]) {
      for (const headers of FOREIGN) {
        const answer = await knock(`${gateway.url}${path}`, { Cookie: victim.cookie, ...headers });
        expect([path, headers, answer.status, answer.json?.code]).toEqual([path, headers, 403, "origin"]);
      }
      const own = { Cookie: victim.cookie, Origin: gateway.url, "Sec-Fetch-Site": "same-origin" };
      expect((await knock(`${gateway.url}${path}`, own)).status).toBe(101);
    }
    const asAgent = await knock(`${gateway.url}/ws/agent/${registered.id}`, {
      Cookie: victim.cookie,
      Origin: gateway.url,
    });
    expect(asAgent.status).toBe(401);
  });

  test("an allowed origin may open terminals, and change nothing", async () => {
    const origin = "https://tools.example";
    await using other = await startGateway({ allowOrigins: [origin] });
    await addUser(other, "ada", { admin: true });
    const { cookie } = await signedIn(other, "ada");
    expect(
      (await knock(`${other.url}/api/containers/events`, { Cookie: cookie, Origin: origin })).status,
    ).toBe(101);
    const answer = await new Browser(other.url).send(
      "POST",
      "/api/tokens",
      { name: "x" },
      { cookie, origin },
    );
    expect(answer.json.code).toBe("origin");
  });

  test("a bearer token needs no page, and a request of no browser no Origin", async () => {
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    const { status } = await fetch(`${gateway.url}/api/tokens`, {
      method: "POST",
      headers: { authorization: `Bearer ${gateway.token}`, ...headers },
      body: '{"name":"mine"}',
    });
    expect(status).toBe(201);
    expect((await foreign("POST", "/api/tokens", '{"name":"by curl"}', {})).status).toBe(201);
  });

  test("behind a proxy that does TLS and was not named, the gateway's own page counts; http under https does not", async () => {
    const { host } = new URL(gateway.url);
    expect((await foreign("POST", "/api/tokens", '{"name":"a"}', { origin: `https://${host}` })).status).toBe(
      201,
    );
    await using secure = await startGateway({ publicUrl: `https://${host}` });
    const answer = await new Browser(secure.url).send(
      "POST",
      "/api/sign-in",
      { username: "admin", password: PASSWORD },
      { origin: `http://${host}` },
    );
    expect(answer.json.code).toBe("origin");
  });
});

describe("names and addresses that are HTML", () => {
  test("are text on the pages, whose policy allows no script of theirs", async () => {
    await using gateway = await startGateway();
    const evil = `<img src=x onerror="alert(1)">'"&`;
    await addUser(gateway, "ada", { name: evil });
    const browser = new Browser(gateway.url);
    await browser.send(
      "POST",
      "/api/sign-in",
      { username: "ada", password: PASSWORD },
      { "user-agent": evil },
    );
    await browser.send("GET", "/account");
    const pages = [
      await browser.send("GET", "/account"),
      await new Browser(gateway.url).form("/sign-in", { username: evil, password: "wrong wrong wrong" }),
      await new Browser(gateway.url).form("/sign-in", {
        username: "x",
        password: "y",
        next: `"><script>alert(1)</script>`,
      }),
      await new Browser(gateway.url).form("/invite", {
        link: evil,
        username: evil,
        name: evil,
        password: evil,
      }),
      await new Browser(gateway.url).form("/login-link", { link: evil }),
      await new Browser(gateway.url).form("/account", { end: evil }),
    ];
    for (const page of pages) {
      expect(page.text).not.toMatch(/<img|<script>/);
      if (page.status === 303) continue;
      expect(page.headers.get("content-security-policy")).toMatch(
        /^default-src 'none'; style-src 'sha256-[^']+'; (script-src 'self'; connect-src 'self'; )?base-uri 'none'; form-action 'self'; frame-ancestors 'none'$/,
      );
      expect(page.headers.get("cache-control")).toBe("no-store");
    }
    expect(pages[0]?.text).toContain("&lt;img");
  });

  test.each([
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "a//b",
    "account\r\nSet-Cookie: x=y",
  ])("signing in goes on to no other site: %j", async (next) => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    const answer = await new Browser(gateway.url).form("/sign-in", {
      username: "ada",
      password: PASSWORD,
      next,
    });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "account"]);
  });
});

describe("guessing passwords", () => {
  test("is slowed down for each address, whatever the names, before anything is hashed", async () => {
    await using gateway = await startGateway();
    const browser = new Browser(gateway.url);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => browser.signIn(`user-${n}`, "wrong wrong wrong")),
    );
    expect(answers.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(12);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.json.code).toBe("too_many_attempts");
    expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(0);
  }, 30_000);

  test("is slowed down for each account, from however many addresses; another account and another address are not", async () => {
    await using gateway = await startGateway({ trustProxy: ["loopback"] });
    await addUser(gateway, "ada");
    await addUser(gateway, "bob");
    const from = (n: number) => ({ "x-forwarded-for": `203.0.113.${n}` });
    const guess = (n: number, username: string, password = "wrong wrong wrong") =>
      new Browser(gateway.url).send("POST", "/api/sign-in", { username, password }, from(n));
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => guess(n, n % 2 ? "ada" : " ADA ")),
    );
    expect(answers.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(24);
    expect((await guess(200, "bob", PASSWORD)).status).toBe(200);
  }, 30_000);

  test("right passwords do not count: an office behind one address signs in", async () => {
    await using gateway = await startGateway();
    await addUser(gateway, "ada");
    for (let n = 0; n < 15; n += 1) expect((await new Browser(gateway.url).signIn("ada")).status).toBe(200);
  }, 30_000);

  test("an unknown user takes as long as a wrong password", async () => {
    await using gateway = await startGateway({ trustProxy: ["loopback"] });
    await addUser(gateway, "ada");
    await addUser(gateway, "nopass", { password: undefined });
    let address = 0;
    const time = async (username: string) => {
      address += 1;
      const headers = { "x-forwarded-for": `203.0.113.${address}` };
      const began = performance.now();
      const body = { username, password: "wrong wrong wrong" };
      expect((await new Browser(gateway.url).send("POST", "/api/sign-in", body, headers)).status).toBe(401);
      return performance.now() - began;
    };
    const times: Record<string, number[]> = { ada: [], nobody: [], nopass: [] };
    for (let round = 0; round < 7; round += 1) {
      for (const [name, list] of Object.entries(times)) list.push(await time(name));
    }
    const least = (name: string) => Math.min(...(times[name] ?? []));
    for (const name of ["nobody", "nopass"]) {
      expect(least(name) / least("ada")).toBeGreaterThan(0.6);
      expect(least(name) / least("ada")).toBeLessThan(1.6);
    }
  }, 60_000);
});

test("1,000 sign-ins at once, of 1,000 addresses and names: two hashes at a time, and terminals go on", async () => {
  await using gateway = await attackedGateway(["--trust-proxy", "loopback"]);
  const registered = await gateway.register();
  await using agent = await V1Agent.connect(gateway, registered);
  await using viewer = await new TestSocket(
    `${gateway.url}/ws/agent/${registered.id}/terminal?token=${gateway.token}`,
  ).open();
  const echo = async () => {
    const began = performance.now();
    await viewer.settle();
    return performance.now() - began;
  };
  await echo();
  const echoes: number[] = [];
  const statuses = new Map<number, number>();
  const report = await gateway.under(async () => {
    let running = true;
    const echoing = (async () => {
      while (running) {
        echoes.push(await echo());
        await Bun.sleep(10);
      }
    })();
    await Promise.all(
      Array.from({ length: 1_000 }, async (_, n) => {
        const answer = await fetch(`${gateway.url}/api/sign-in`, {
          method: "POST",
          headers: { "x-forwarded-for": `203.0.${n >> 8}.${n & 255}` },
          body: JSON.stringify({ username: `user-${n}`, password: "x".repeat(1_000) }),
        });
        await answer.body?.cancel();
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      }),
    );
    running = false;
    await echoing;
  });
  expect([...statuses.keys()].sort()).toEqual([401, 503]);
  expect(statuses.get(401)).toBeLessThanOrEqual(2 + 64 + 100);
  // Two hashes have 64 MiB each; 1,000 would have 64 GB.
  expect(report.attacked.peakBytes - report.idle.peakBytes).toBeLessThan(400 * 1024 * 1024);
  const sorted = echoes.sort((a, b) => a - b);
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(100);
  await agent.settle();
}, 120_000);
