import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { OidcProvider } from "../../../src/gateway/sign-in/oidc-provider.ts";
import { Browser } from "../../support/browser.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { type Issuer, type IssuerUser, providerOf, startIssuer } from "../../support/oidc-issuer.ts";
import { until } from "../../support/wait.ts";

setDefaultTimeout(30_000);

const ORIGIN = "https://rexec.example.com";
const PUBLIC = `${ORIGIN}/gw`;
const BACK = `${PUBLIC}/oidc-callback`;

interface World {
  issuer: Issuer;
  gateway: TestGateway;
  browser(): Browser;
  /** Signs a user of the provider in. */
  signIn(
    subject: string,
    user?: IssuerUser,
    browser?: Browser,
  ): Promise<{ status: number; text: string; location: string | null }>;
}

async function withProvider(run: (world: World) => Promise<void>, more: Partial<OidcProvider> = {}) {
  await using issuer = await startIssuer([BACK]);
  const oidc = providerOf(issuer, more);
  await using gateway = await startGateway({ publicUrl: PUBLIC, oidc });
  const browser = () => new Browser(gateway.url, ORIGIN);
  await run({
    issuer,
    gateway,
    browser,
    async signIn(subject, user, by = browser()) {
      if (user) issuer.users.set(subject, user);
      const start = await by.get("/oidc?next=device");
      const back = await issuer.signIn(start.headers.get("location") ?? "", subject);
      expect(`${back.origin}${back.pathname}`).toBe(BACK);
      const { status, text, headers } = await by.get(`/oidc-callback${back.search}`);
      return { status, text, location: headers.get("location") };
    },
  });
}

const userNamed = async (gateway: TestGateway, name: string) =>
  (await gateway.api("GET", `/api/users/${name}`)).json;
const ADA: IssuerUser = {
  preferred_username: "ada",
  email: "ada@example.com",
  email_verified: true,
  name: "Ada",
};

describe("signing in at an identity provider", () => {
  test("makes an account at the first time, and finds it again", () =>
    withProvider(async ({ gateway, browser, signIn }) => {
      expect((await browser().get("/sign-in?next=device")).text).toContain(
        '<a href="oidc?next=device">Sign in with Example</a>',
      );
      const first = browser();
      expect(await signIn("u-1", ADA, first)).toMatchObject({ status: 303, location: "device" });
      expect([...first.cookies.keys()]).toEqual(["__Host-rexec"]);
      expect((await first.get("/api/account")).json.user).toMatchObject({
        username: "ada",
        email: "ada@example.com",
        is_admin: false,
      });
      expect((await first.get("/api/account/sessions")).json.sessions[0]).toMatchObject({ method: "oidc" });
      const { id } = await userNamed(gateway, "ada");
      const second = browser();
      await signIn("u-1", { ...ADA, preferred_username: "other" }, second);
      expect((await second.get("/api/account")).json.user.id).toBe(id);
      expect((await userNamed(gateway, "other")).code).toBe("user_not_found");
    }));

  test("takes over no account that is there: names are the provider's to choose, accounts are not", () =>
    withProvider(async ({ browser, signIn }) => {
      const mallory = browser();
      await signIn(
        "m",
        { preferred_username: "admin", email: "admin@example.com", email_verified: true },
        mallory,
      );
      expect((await mallory.get("/api/account")).json.user).toMatchObject({
        username: "admin-2",
        is_admin: false,
      });
    }));

  test("of one user at the same moment twice makes one account", () =>
    withProvider(async ({ issuer, gateway, browser }) => {
      issuer.users.set("u-1", ADA);
      const answers = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const by = browser();
          const start = await by.get("/oidc");
          const back = await issuer.signIn(start.headers.get("location") ?? "", "u-1");
          return (await by.get(`/oidc-callback${back.search}`)).status;
        }),
      );
      expect(answers).toEqual([303, 303, 303, 303, 303]);
      expect((await gateway.api("GET", "/api/users")).json.users).toHaveLength(2);
    }));

  test("is refused without the cookie of the browser that began it", () =>
    withProvider(async ({ issuer, browser }) => {
      issuer.users.set("mallory", ADA);
      const theirs = browser();
      const start = await theirs.get("/oidc");
      const back = await issuer.signIn(start.headers.get("location") ?? "", "mallory");
      const victim = browser();
      const answer = await victim.get(`/oidc-callback${back.search}`);
      expect([answer.status, victim.cookies.size]).toEqual([410, 0]);
      expect(answer.text).toContain('role="alert"');
      // A second cookie of the name, as another site of the domain could set one, is none.
      const [pair] = [...theirs.cookies];
      theirs.cookies.set(`x=1; ${pair?.[0]}`, "rexec_step_");
      expect((await theirs.get(`/oidc-callback${back.search}`)).status).toBe(410);
    }));

  test("lets verified addresses of allowed domains in alone", () =>
    withProvider(
      async ({ gateway, signIn }) => {
        const cases: [IssuerUser, number][] = [
          [ADA, 303],
          [{ email: "eve@example.com", email_verified: false }, 403],
          [{ email: "eve@example.com" }, 403],
          [{ email: "eve@evil.example", email_verified: true }, 403],
          [{}, 403],
        ];
        for (const [at, [user, status]] of cases.entries())
          expect([at, (await signIn(`u-${at}`, user)).status]).toEqual([at, status]);
        expect((await gateway.api("GET", "/api/users")).json.users).toHaveLength(2);
        const audit = async () => JSON.stringify((await gateway.api("GET", "/api/audit?limit=200")).json);
        await until(
          async () => (await audit()).includes("email_not_verified"),
          5_000,
          "the refusals in the audit",
        );
      },
      { allowedDomains: ["example.com"] },
    ));

  test("gives and takes role and groups by the provider's groups, at each sign-in", () =>
    withProvider(
      async ({ gateway, browser, signIn }) => {
        await gateway.api("POST", "/api/groups", { name: "engineers" });
        await gateway.api("POST", "/api/groups", { name: "friends" });
        const groupsOf = async () => {
          const { groups } = (await gateway.api("GET", "/api/groups")).json;
          const mine = groups.filter((each: { members: object[] }) =>
            JSON.stringify(each.members).includes('"ada"'),
          );
          return mine.map((each: { name: string }) => each.name);
        };
        const ada = browser();
        await signIn("u-1", { ...ADA, groups: ["ops", "eng"] }, ada);
        expect((await ada.get("/api/account")).json.user.is_admin).toBe(true);
        expect(await groupsOf()).toEqual(["engineers"]);
        await gateway.api("POST", "/api/groups/friends/members", { user: "ada" });
        // Both groups are gone at the provider. The session of before has lost the role, too.
        await signIn("u-1", { ...ADA, groups: ["unknown"] });
        expect((await ada.get("/api/account")).json.user.is_admin).toBe(false);
        expect((await ada.get("/api/users")).status).toBe(403);
        expect(await groupsOf()).toEqual(["friends"]);
        // No claim at all is no group.
        await signIn("u-1", { ...ADA, groups: ["ops"] });
        expect((await userNamed(gateway, "ada")).is_admin).toBe(true);
        await signIn("u-1", ADA);
        expect((await userNamed(gateway, "ada")).is_admin).toBe(false);
      },
      {
        adminGroups: ["ops"],
        groups: [
          ["eng", "engineers"],
          ["eng", "missing"],
        ],
      },
    ));

  test("lets nobody in whose account is disabled, or unknown where none is made", () =>
    withProvider(
      async ({ signIn }) => {
        const answer = await signIn("u-1", ADA);
        expect([answer.status, answer.text.includes("ask an administrator")]).toEqual([403, true]);
      },
      { createUsers: false },
    ).then(() =>
      withProvider(async ({ gateway, browser, signIn }) => {
        await signIn("u-1", ADA);
        await gateway.api("PATCH", "/api/users/ada", { disabled: true });
        const again = browser();
        expect((await signIn("u-1", ADA, again)).status).toBe(403);
        expect(again.cookies.size).toBe(0);
      }),
    ));

  test("is not there without a provider", async () => {
    await using gateway = await startGateway();
    expect((await new Browser(gateway.url).get("/oidc")).status).toBe(404);
    expect((await new Browser(gateway.url).get("/oidc-callback?code=x&state=y")).status).toBe(404);
    expect((await new Browser(gateway.url).get("/sign-in")).text).not.toContain("oidc");
  });
});
