import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret, TOTP } from "otpauth";
import { environment, Screen } from "../client/support/cli.ts";
import { Authenticator } from "../support/authenticator.ts";
import { binary } from "../support/binaries.ts";
import { Browser } from "../support/browser.ts";
import { call } from "../support/gateway.ts";
import { startIssuer } from "../support/oidc-issuer.ts";
import { until, within } from "../support/wait.ts";

setDefaultTimeout(60_000);

const REXEC = binary("rexec");
const PUBLIC = "http://localhost:7";

let folder: string;
let serve: Bun.Subprocess<"ignore", "pipe", "pipe">;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let url: string;
let token: string;
/** Everything that the gateway printed. */
let said = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rexec-sign-in-"));
  issuer = await startIssuer([`${PUBLIC}/oidc-callback`]);
  writeFileSync(join(folder, "secret"), issuer.clientSecret, { mode: 0o600 });
  const config = `
port: 0
data: ${folder}/data
public_url: ${PUBLIC}
log: {level: debug}
oidc:
  issuer: ${issuer.url}
  client_id: ${issuer.clientId}
  secret_file: ${folder}/secret
  name: Example
  scopes: [email, profile, groups]
  domains: [example.com]
  admin_groups: [ops]
`;
  writeFileSync(join(folder, "serve.yaml"), config, { mode: 0o600 });
  serve = Bun.spawn([REXEC, "serve", "--config", join(folder, "serve.yaml")], {
    env: environment({ HOME: folder }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  for (const stream of [serve.stdout, serve.stderr]) void gatherFrom(stream);
  const listening = () => /listens on (http:\/\/\S+?),/.exec(said)?.[1];
  url = await until(listening, 10_000, () => `the gateway to listen: ${said}`);
  const file = join(folder, "data/admin-token");
  token = await until(
    async () => ((await Bun.file(file).exists()) ? readFileSync(file, "utf8").trim() : null),
    5_000,
    file,
  );
});
afterAll(async () => {
  serve.kill();
  await within(serve.exited, 10_000, "the gateway to end");
  await issuer[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function gatherFrom(stream: ReadableStream<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) said += decoder.decode(chunk, { stream: true });
}

describe("the executables", () => {
  test("sign a CLI in by a code that another one approves, and log it out again", async () => {
    const home = join(folder, "laptop");
    mkdirSync(home);
    const env = environment({ HOME: home });
    await using screen = await Screen.of(
      "/bin/sh",
      ["-c", `"$0" login --host ${url}; echo "rc=$?"`, REXEC],
      env,
    );
    await screen.shows("Or give an API token for");
    expect(screen.shown).toContain(`${PUBLIC}/device and enter this code`);
    const [, code = ""] = /--approve ([A-Z]{4}-[A-Z]{4})/.exec(screen.shown) ?? [];
    const approving = Bun.spawn([REXEC, "login", "--approve", code], {
      env: environment({ REXEC_HOST: url, REXEC_TOKEN: token }),
      stdin: Buffer.from("y\n"),
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await approving.stderr.text()).toContain("is signed in");
    await screen.shows("rc=0", 20_000);
    const { hosts } = JSON.parse(readFileSync(join(home, ".rexec/credentials.json"), "utf8"));
    const made: string = hosts[url].token;
    const listed = (await call(url, "GET", "/api/tokens", undefined, token)).json.tokens;
    expect(listed.some((each: { token_prefix: string }) => made.startsWith(each.token_prefix))).toBe(true);
    const out = Bun.spawnSync([REXEC, "logout"], { env });
    expect(out.exitCode).toBe(0);
    expect((await call(url, "GET", "/api/agents", undefined, made)).status).toBe(401);
    for (const secret of [made, code]) expect(said).not.toContain(secret);
  });

  test("check the codes of an authenticator app, and passkeys", async () => {
    const password = "correct horse battery";
    await call(url, "PUT", "/api/account/password", { password }, token);
    const { secret } = (await call(url, "POST", "/api/account/totp", undefined, token)).json;
    const code = (ahead: number) =>
      TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: Date.now() + ahead * 30_000 });
    expect((await call(url, "POST", "/api/account/totp/confirm", { code: code(-1) }, token)).status).toBe(
      200,
    );
    const browser = new Browser(url, PUBLIC);
    const { step } = (await browser.json("/api/sign-in", { username: "admin", password })).json;
    expect((await browser.json("/api/sign-in/second-factor", { step, code: code(0) })).status).toBe(200);
    const device = await Authenticator.make("localhost", PUBLIC);
    const begun = (await browser.json("/api/account/passkeys/options", {})).json;
    const credential = await device.create(begun.options);
    expect((await browser.json("/api/account/passkeys", { step: begun.step, credential })).status).toBe(201);
    const other = new Browser(url, PUBLIC);
    const asked = (await other.json("/api/sign-in/passkey/options", {})).json;
    const answer = { step: asked.step, credential: await device.get(asked.options) };
    expect((await other.json("/api/sign-in/passkey", answer)).status).toBe(200);
    for (const kept of [secret, password, step]) expect(said).not.toContain(kept);
  });

  test("sign users of a provider in, as the configuration file says", async () => {
    const browser = new Browser(url, PUBLIC);
    expect((await browser.get("/sign-in")).text).toContain("Sign in with Example");
    issuer.users.set("u-1", {
      preferred_username: "ada",
      email: "ada@example.com",
      email_verified: true,
      groups: ["ops"],
    });
    const start = await browser.get("/oidc");
    const back = await issuer.signIn(start.headers.get("location") ?? "", "u-1");
    expect((await browser.get(`/oidc-callback${back.search}`)).status).toBe(303);
    expect((await browser.get("/api/account")).json.user).toMatchObject({ username: "ada", is_admin: true });
    const stranger = new Browser(url, PUBLIC);
    issuer.users.set("u-2", { email: "eve@evil.example", email_verified: true });
    const again = await stranger.get("/oidc");
    const refused = await issuer.signIn(again.headers.get("location") ?? "", "u-2");
    expect((await stranger.get(`/oidc-callback${refused.search}`)).status).toBe(403);
    expect(said).not.toContain(issuer.clientSecret);
  });
});
