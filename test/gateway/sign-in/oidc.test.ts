import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Oidc } from "../../../src/gateway/sign-in/oidc.ts";
import {
  judge,
  type OidcIdentity,
  type OidcProvider,
  usernameFor,
} from "../../../src/gateway/sign-in/oidc-provider.ts";
import { openStore } from "../../../src/gateway/store/store.ts";
import { arrayLogger } from "../../support/gateway.ts";
import { type Issuer, providerOf, startIssuer } from "../../support/oidc-issuer.ts";

setDefaultTimeout(30_000);

const BACK = "http://127.0.0.1:1/prefix/sign-in/provider/back";
const HERE = "192.0.2.7";

async function withIssuer(
  run: (issuer: Issuer, oidc: Oidc, log: string[]) => Promise<void>,
  more: Partial<OidcProvider> = {},
) {
  await using issuer = await startIssuer([BACK]);
  const folder = mkdtempSync(join(tmpdir(), "rexec-oidc-"));
  const store = await openStore(folder);
  const log: string[] = [];
  try {
    await run(issuer, new Oidc(providerOf(issuer, more), store, arrayLogger(log)), log);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const expired = { status: 410, code: "sign_in_expired" };
const failed = { status: 401, code: "sign_in_failed" };

describe("a sign-in at a provider", () => {
  test("is found by discovery, and says who the user is", () =>
    withIssuer(async (issuer, oidc) => {
      issuer.users.set("u-1", {
        email: "Ada@Example.com",
        email_verified: true,
        preferred_username: "ada",
        name: "Ada L.",
        groups: ["eng", "ops"],
      });
      const start = await oidc.begin(BACK, "account", HERE);
      const asked = new URL(start.url).searchParams;
      expect(asked.get("code_challenge_method")).toBe("S256");
      expect(asked.get("state")).toBeTruthy();
      expect(asked.get("nonce")).toBeTruthy();
      const back = await issuer.signIn(start.url, "u-1");
      expect(await oidc.finish(back.search, start.step)).toEqual({
        identity: {
          issuer: issuer.url,
          subject: "u-1",
          email: "ada@example.com",
          isEmailVerified: true,
          username: "ada",
          name: "Ada L.",
          groups: ["eng", "ops"],
        },
        next: "account",
      });
    }));

  test("counts once, also of two answers at the same moment", () =>
    withIssuer(async (issuer, oidc) => {
      issuer.users.set("u-1", {});
      const start = await oidc.begin(BACK, "", HERE);
      const back = await issuer.signIn(start.url, "u-1");
      const both = await Promise.allSettled([
        oidc.finish(back.search, start.step),
        oidc.finish(back.search, start.step),
      ]);
      expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      await expect(oidc.finish(back.search, start.step)).rejects.toMatchObject(expired);
    }));

  test("counts in the browser that began it alone, and not with another sign-in's answer", () =>
    withIssuer(async (issuer, oidc) => {
      issuer.users.set("u-1", {}).set("mallory", {});
      const [mine, theirs] = [await oidc.begin(BACK, "", HERE), await oidc.begin(BACK, "", HERE)];
      const back = await issuer.signIn(theirs.url, "mallory");
      for (const step of [null, "", "rexec_step_", `rexec_step_${"0".repeat(64)}`]) {
        await expect(oidc.finish(back.search, step)).rejects.toMatchObject(expired);
      }
      await expect(oidc.finish(back.search, mine.step)).rejects.toMatchObject(failed);
    }));

  test.each([
    ["another state", (query: URLSearchParams) => query.set("state", "x")],
    ["no state", (query: URLSearchParams) => query.delete("state")],
    ["another issuer", (query: URLSearchParams) => query.set("iss", "https://evil.example")],
    ["no issuer", (query: URLSearchParams) => query.delete("iss")],
    ["another code", (query: URLSearchParams) => query.set("code", "x")],
    ["no code", (query: URLSearchParams) => query.delete("code")],
    ["two codes", (query: URLSearchParams) => query.append("code", "x")],
    ["a refusal", (query: URLSearchParams) => query.set("error", "access_denied")],
  ])("is refused with %s, and the log has neither code nor state", (_, change) =>
    withIssuer(async (issuer, oidc, log) => {
      issuer.users.set("u-1", {});
      const start = await oidc.begin(BACK, "", HERE);
      const query = new URLSearchParams((await issuer.signIn(start.url, "u-1")).search);
      const [code = "", state = ""] = [query.get("code") ?? "", query.get("state") ?? ""];
      change(query);
      await expect(oidc.finish(`?${query}`, start.step)).rejects.toMatchObject(failed);
      expect(log.join("\n")).toContain(`a sign-in at ${issuer.url} failed`);
      expect(log.join("\n")).not.toContain(code);
      expect(log.join("\n")).not.toContain(state);
      expect(log.join("\n")).not.toContain(issuer.clientSecret);
    }),
  );

  test("is refused with a code of another sign-in: its verifier and nonce are others", () =>
    withIssuer(async (issuer, oidc) => {
      issuer.users.set("u-1", {}).set("mallory", {});
      const [mine, theirs] = [await oidc.begin(BACK, "", HERE), await oidc.begin(BACK, "", HERE)];
      const stolen = await issuer.signIn(theirs.url, "mallory");
      const query = new URLSearchParams(stolen.search);
      query.set("state", new URL(mine.url).searchParams.get("state") ?? "");
      await expect(oidc.finish(`?${query}`, mine.step)).rejects.toMatchObject(failed);
    }));

  test("is refused with a wrong client secret", () =>
    withIssuer(
      async (issuer, oidc) => {
        issuer.users.set("u-1", {});
        const start = await oidc.begin(BACK, "", HERE);
        const back = await issuer.signIn(start.url, "u-1");
        await expect(oidc.finish(back.search, start.step)).rejects.toMatchObject(failed);
      },
      { clientSecret: "wrong" },
    ));

  test("waits for a provider that cannot be reached now, and finds it later", async () => {
    const dead = { url: "http://127.0.0.1:9", clientId: "x", clientSecret: "y" };
    const oidc = new Oidc(providerOf(dead), { signInSteps: await unused() }, arrayLogger([]));
    for (let at = 0; at < 2; at += 1)
      await expect(oidc.begin(BACK, "", HERE)).rejects.toMatchObject({
        status: 502,
        code: "provider_unreachable",
      });
  });

  test("is not begun over and over by one address", () =>
    withIssuer(async (_, oidc) => {
      const all = await Promise.allSettled(Array.from({ length: 30 }, () => oidc.begin(BACK, "", HERE)));
      expect(all.filter(({ status }) => status === "rejected").length).toBeGreaterThanOrEqual(9);
      await oidc.begin(BACK, "", "192.0.2.8");
    }));
});

describe("what follows from an identity", () => {
  const identity: OidcIdentity = {
    issuer: "https://id.example",
    subject: "1",
    email: "ada@example.com",
    isEmailVerified: true,
    username: "ada",
    name: null,
    groups: ["eng", "ops"],
  };
  const base = providerOf({ url: "https://id.example", clientId: "x", clientSecret: "y" });

  test.each<[Partial<OidcProvider>, Partial<OidcIdentity>, object]>([
    [{}, {}, { kind: "admitted", isAdmin: null, groups: [] }],
    [{}, { email: null, groups: [] }, { kind: "admitted" }],
    [{ allowedDomains: ["Example.com"] }, {}, { kind: "admitted" }],
    [{ allowedDomains: ["example.com"] }, { isEmailVerified: false }, { code: "email_not_verified" }],
    [{ allowedDomains: ["example.com"] }, { email: null }, { code: "email_not_verified" }],
    [
      { allowedDomains: ["example.com"] },
      { email: "ada@example.com.evil.example" },
      { code: "domain_not_allowed" },
    ],
    [{ allowedDomains: ["example.com"] }, { email: "ada@sub.example.com" }, { code: "domain_not_allowed" }],
    [
      { allowedDomains: ["example.com"] },
      { email: '"ada@example.com"@evil.example' },
      { code: "domain_not_allowed" },
    ],
    [{ allowedDomains: ["example.com"] }, { email: "example.com" }, { code: "email_not_verified" }],
    [{ allowedGroups: ["ops"] }, {}, { kind: "admitted" }],
    [{ allowedGroups: ["sales"] }, {}, { code: "group_not_allowed" }],
    [{ adminGroups: ["ops"] }, {}, { isAdmin: true }],
    [{ adminGroups: ["root"] }, {}, { isAdmin: false }],
    [{ adminGroups: ["ops"] }, { groups: [] }, { isAdmin: false }],
    [
      {
        groups: [
          ["eng", "engineers"],
          ["sales", "sellers"],
        ],
      },
      {},
      { groups: ["engineers"] },
    ],
  ])("%# : %j with %j", (provider, other, expected) => {
    expect(judge({ ...base, ...provider }, { ...identity, ...other })).toMatchObject(expected);
  });

  test.each<[Partial<OidcIdentity>, string]>([
    [{}, "ada"],
    [{ username: null }, "ada"],
    [{ username: "Ada Lovelace" }, "ada-lovelace"],
    [{ username: "ada@corp.example" }, "ada"],
    [{ username: "../../etc" }, "etc"],
    [{ username: "\u202e\u0000" }, "user"],
    [{ username: null, email: null }, "user"],
    [{ username: "x".repeat(300) }, "x".repeat(40)],
  ])("%# : %j is named %s", (other, name) => {
    expect(usernameFor({ ...identity, ...other }, 0)).toBe(name);
    expect(usernameFor({ ...identity, ...other }, 1)).toBe(`${name}-2`);
  });
});

// --- internal ---

/** Steps that no sign-in comes to. */
async function unused() {
  const folder = mkdtempSync(join(tmpdir(), "rexec-oidc-"));
  const store = await openStore(folder);
  await store.close();
  rmSync(folder, { recursive: true, force: true });
  return store.signInSteps;
}
