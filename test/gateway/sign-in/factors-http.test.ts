import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Secret, TOTP } from "otpauth";
import type { GatewayOptions } from "../../../src/gateway/gateway.ts";
import { Authenticator } from "../../support/authenticator.ts";
import { Browser } from "../../support/browser.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { until } from "../../support/wait.ts";

setDefaultTimeout(30_000);

const PASSWORD = "correct horse battery";

/** A gateway whose administrator has a password. */
async function gatewayFor(options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  const gateway = await startGateway(options);
  expect((await gateway.api("PUT", "/api/account/password", { password: PASSWORD })).status).toBe(200);
  return gateway;
}

/** @param ahead steps of the app's clock; a code counts once */
const codeOf = (secret: string, ahead = 0) =>
  TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: Date.now() + ahead * 30_000 });

/** Turns the second factor on, with the code of the step before. */
async function turnOn(gateway: TestGateway): Promise<{ secret: string; codes: string[] }> {
  const { secret } = (await gateway.api("POST", "/api/account/totp")).json;
  const confirmed = await gateway.api("POST", "/api/account/totp/confirm", { code: codeOf(secret, -1) });
  expect(confirmed.status).toBe(200);
  return { secret, codes: confirmed.json.recovery_codes };
}

const audited = async (gateway: TestGateway) => {
  const { json } = await gateway.api("GET", "/api/audit?limit=200");
  return JSON.stringify(json);
};

describe("signing in with a second factor, over HTTP", () => {
  test("takes the password and then a code", async () => {
    await using gateway = await gatewayFor();
    const { secret, codes } = await turnOn(gateway);
    const browser = new Browser(gateway.url);
    const first = await browser.json("/api/sign-in", { username: "admin", password: PASSWORD });
    expect([first.status, browser.cookies.size]).toEqual([202, 0]);
    const { step } = first.json;
    expect((await browser.get("/api/account")).status).toBe(401);
    const wrong = await browser.json("/api/sign-in/second-factor", { step, code: "000000" });
    expect([wrong.status, wrong.json.code]).toEqual([401, "wrong_code"]);
    const code = codeOf(secret);
    const [one, two] = await Promise.all([
      browser.json("/api/sign-in/second-factor", { step, code }),
      browser.json("/api/sign-in/second-factor", { step, code }),
    ]);
    expect([one.status, two.status].sort()).toEqual([200, expect.any(Number)]);
    expect([401, 410]).toContain(Math.max(one.status, two.status));
    expect((await browser.get("/api/account")).json.user.username).toBe("admin");
    const again = await browser.json("/api/sign-in/second-factor", { step, code: codes[0] });
    expect([again.status, again.json.code]).toEqual([410, "sign_in_expired"]);
    const isWritten = async () => {
      const entries = await audited(gateway);
      return entries.includes("second_factor") && entries.includes('"sign_in"') ? entries : null;
    };
    const said = (await until(isWritten, 5_000, "the entries of the audit")) + gateway.log.join("\n");
    for (const kept of [secret, code, step, ...codes, PASSWORD]) expect(said).not.toContain(kept);
    expect(said).toContain("totp.added");
  });

  test("is over after too many wrong codes, also at the same moment", async () => {
    await using gateway = await gatewayFor();
    const { secret } = await turnOn(gateway);
    const browser = new Browser(gateway.url);
    const { step } = (await browser.json("/api/sign-in", { username: "admin", password: PASSWORD })).json;
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        browser.json("/api/sign-in/second-factor", { step, code: String(at).padStart(6, "0") }),
      ),
    );
    expect(all.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(5);
    expect((await browser.json("/api/sign-in/second-factor", { step, code: codeOf(secret) })).status).toBe(
      429,
    );
  });

  test("is not done by the page of another site", async () => {
    await using gateway = await gatewayFor();
    const { secret } = await turnOn(gateway);
    const browser = new Browser(gateway.url);
    const { step } = (await browser.json("/api/sign-in", { username: "admin", password: PASSWORD })).json;
    const evil = new Browser(gateway.url, "https://evil.example");
    const answer = await evil.json("/api/sign-in/second-factor", { step, code: codeOf(secret) });
    expect([answer.status, answer.json.code]).toEqual([403, "origin"]);
  });

  test("is undone by its user with a code, and by an administrator without", async () => {
    await using gateway = await gatewayFor();
    const { codes } = await turnOn(gateway);
    expect((await gateway.api("POST", "/api/account/totp/remove", { code: "000000" })).status).toBe(401);
    const renewed = await gateway.api("POST", "/api/account/recovery-codes", { code: codes[0] });
    expect(renewed.json.recovery_codes).toHaveLength(10);
    expect((await gateway.api("POST", "/api/account/totp/remove", { code: codes[1] })).status).toBe(401);
    const [fresh = ""] = renewed.json.recovery_codes;
    expect((await gateway.api("GET", "/api/account/factors")).json).toMatchObject({
      totp: true,
      recovery_codes_left: 10,
    });
    expect((await gateway.api("POST", "/api/account/totp/remove", { code: fresh })).status).toBe(200);
    await turnOn(gateway);
    const { token } = await gateway.stranger();
    expect((await gateway.api("DELETE", "/api/users/admin/factors", undefined, token)).status).toBe(403);
    expect((await gateway.api("DELETE", "/api/users/admin/factors")).json).toEqual({
      totp: true,
      passkeys: 0,
    });
    expect((await gateway.api("GET", "/api/account/factors")).json).toMatchObject({ totp: false });
    expect(
      (await new Browser(gateway.url).json("/api/sign-in", { username: "admin", password: PASSWORD })).status,
    ).toBe(200);
  });
});

describe("the pages", () => {
  test("set an authenticator app up, and ask for its code", async () => {
    await using gateway = await gatewayFor();
    const browser = new Browser(gateway.url);
    expect((await browser.get("/factors")).headers.get("location")).toBe("sign-in?next=factors");
    await browser.post("/sign-in", { username: "admin", password: PASSWORD });
    expect((await browser.get("/account")).text).toContain('<a href="factors">');
    const shown = await browser.post("/factors", { do: "begin" });
    const secret = /<code>([A-Z2-7]{32})<\/code>/.exec(shown.text)?.[1] ?? "";
    expect(shown.text).toContain("<svg ");
    expect(shown.text).not.toContain("style=");
    const mistyped = await browser.post("/factors", { do: "confirm", code: "12345" });
    expect(mistyped.status).toBe(401);
    expect(mistyped.text).toContain(secret);
    const codes = await browser.post("/factors", { do: "confirm", code: codeOf(secret, -1) });
    const [recovery = ""] = /[A-Z2-9]{4}(-[A-Z2-9]{4}){3}/.exec(codes.text) ?? [];
    expect((await browser.get("/factors")).text).toContain("It is on. You have 10 recovery codes left.");
    const other = new Browser(gateway.url);
    const asked = await other.post("/sign-in", { username: "admin", password: PASSWORD, next: "device" });
    expect([asked.status, other.cookies.size]).toEqual([200, 0]);
    const step = /name="step" value="([^"]+)"/.exec(asked.text)?.[1] ?? "";
    const wrong = await other.post("/second-factor", { step, code: "000000", next: "device" });
    expect([wrong.status, wrong.text.includes('role="alert"')]).toEqual([401, true]);
    const done = await other.post("/second-factor", { step, code: recovery, next: "device" });
    expect([done.status, done.headers.get("location")]).toEqual([303, "device"]);
    expect((await other.get("/account")).status).toBe(200);
    expect((await other.post("/second-factor", { step, code: recovery })).status).toBe(410);
  });

  test("approve the sign-in of a machine, and show first what asks", async () => {
    await using gateway = await gatewayFor({ deviceFlow: { intervalS: 0 } });
    const browser = new Browser(gateway.url);
    expect((await browser.get("/device")).headers.get("location")).toBe("sign-in?next=device");
    expect((await browser.post("/device", { code: "BCDF-GHJK" })).status).toBe(303);
    await browser.post("/sign-in", { username: "admin", password: PASSWORD });
    const client = "<b>laptop</b>";
    const begun = (await gateway.api("POST", "/api/device/code", { client }, null)).json;
    const wrong = await browser.post("/device", { code: "BCDF-GHJK" });
    expect([wrong.status, wrong.text.includes('role="alert"')]).toEqual([404, true]);
    const shown = await browser.post("/device", { code: begun.user_code.toLowerCase() });
    expect(shown.text).toContain("&lt;b&gt;laptop&lt;/b&gt;");
    expect(shown.text).toContain("127.0.0.1");
    expect(shown.text).toContain("may do everything that you may");
    // Looking at it decides nothing; the page of another site may not decide.
    const forged = await browser.post(
      "/device",
      { code: begun.user_code, decision: "approve" },
      { origin: "https://evil.example" },
    );
    expect(forged.status).toBe(403);
    const pending = await gateway.api("POST", "/api/device/token", { device_code: begun.device_code }, null);
    expect(pending.json.error).toBe("authorization_pending");
    const done = await browser.post("/device", { code: begun.user_code, decision: "approve" });
    expect(done.text).toContain("is signed in");
    const granted = await gateway.api("POST", "/api/device/token", { device_code: begun.device_code }, null);
    expect(granted.json.access_token).toMatch(/^rexec_[0-9a-f]{64}$/);
    expect((await browser.post("/device", { code: begun.user_code, decision: "refuse" })).status).toBe(404);
  });

  test("offer passkeys where these work, and say why not elsewhere", async () => {
    await using plain = await gatewayFor();
    expect((await new Browser(plain.url).get("/sign-in")).text).not.toContain("passkey");
    const browser = new Browser(plain.url);
    await browser.post("/sign-in", { username: "admin", password: PASSWORD });
    expect((await browser.get("/factors")).text).toContain("IP address");
    const refused = await plain.api("POST", "/api/account/passkeys/options");
    expect([refused.status, refused.json.code]).toEqual([409, "no_passkeys_here"]);
    await using named = await gatewayFor({ publicUrl: "https://rexec.example.com" });
    const page = await new Browser(named.url, "https://rexec.example.com").get("/sign-in?next=device");
    expect(page.text).toContain('<script src="passkey.js" defer>');
    expect(page.text).toContain('data-next="device"');
    expect(page.headers.get("content-security-policy")).toContain("script-src 'self'");
    expect(page.headers.get("content-security-policy")).not.toContain("unsafe");
    expect((await fetch(`${named.url}/passkey.js`)).headers.get("content-type")).toStartWith(
      "text/javascript",
    );
  });
});

describe("passkeys over HTTP", () => {
  const ORIGIN = "https://rexec.example.com";

  test("are added, sign in, are listed and removed", async () => {
    await using gateway = await gatewayFor({ publicUrl: ORIGIN });
    const browser = new Browser(gateway.url, ORIGIN);
    await browser.post("/sign-in", { username: "admin", password: PASSWORD });
    const device = await Authenticator.make("rexec.example.com", ORIGIN);
    const begun = (await browser.json("/api/account/passkeys/options", {})).json;
    const added = await browser.json("/api/account/passkeys", {
      step: begun.step,
      name: "phone",
      credential: await device.create(begun.options),
    });
    expect([added.status, added.json.name]).toEqual([201, "phone"]);
    const other = new Browser(gateway.url, ORIGIN);
    const asked = (await other.json("/api/sign-in/passkey/options", {})).json;
    expect(asked.options.rpId).toBe("rexec.example.com");
    const body = { step: asked.step, credential: await device.get(asked.options) };
    const signedIn = await other.json("/api/sign-in/passkey", body);
    expect([signedIn.status, signedIn.json.session.method]).toEqual([200, "passkey"]);
    expect((await other.json("/api/sign-in/passkey", body)).status).toBe(410);
    const { passkeys } = (await other.get("/api/account/passkeys")).json;
    expect(passkeys).toHaveLength(1);
    expect(JSON.stringify(passkeys)).not.toContain("public_key");
    const { token } = await gateway.stranger();
    expect(
      (await gateway.api("DELETE", `/api/account/passkeys/${passkeys[0].id}`, undefined, token)).status,
    ).toBe(404);
    expect((await other.post("/factors", { do: "remove-passkey", passkey: passkeys[0].id })).text).toContain(
      "is removed",
    );
    const next = (await other.json("/api/sign-in/passkey/options", {})).json;
    const refused = await other.json("/api/sign-in/passkey", {
      step: next.step,
      credential: await device.get(next.options),
    });
    expect([refused.status, refused.json.code]).toEqual([401, "sign_in_failed"]);
    await until(async () => (await audited(gateway)).includes("passkey.added"), 5_000, "the audit");
  });

  test("sign nobody in whose account is disabled", async () => {
    await using gateway = await gatewayFor({ publicUrl: ORIGIN });
    const { token, userId } = await gateway.stranger();
    const device = await Authenticator.make("rexec.example.com", ORIGIN);
    const begun = (await gateway.api("POST", "/api/account/passkeys/options", {}, token)).json;
    await gateway.api(
      "POST",
      "/api/account/passkeys",
      { step: begun.step, credential: await device.create(begun.options) },
      token,
    );
    await gateway.api("PATCH", `/api/users/${userId}`, { disabled: true });
    const browser = new Browser(gateway.url, ORIGIN);
    const asked = (await browser.json("/api/sign-in/passkey/options", {})).json;
    const answer = await browser.json("/api/sign-in/passkey", {
      step: asked.step,
      credential: await device.get(asked.options),
    });
    expect([answer.status, answer.json.code]).toEqual([403, "user_disabled"]);
    expect(browser.cookies.size).toBe(0);
  });
});
