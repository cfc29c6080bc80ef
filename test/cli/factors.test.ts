import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Secret, TOTP } from "otpauth";
import { between, environment, expectRestored, rexec } from "../client/support/cli.ts";
import { startGateway } from "../support/gateway.ts";

setDefaultTimeout(30_000);

/** @param ahead steps of the app's clock; a code counts once */
const codeOf = (secret: string, ahead: number) =>
  TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: Date.now() + ahead * 30_000 });

describe("rexec factors", () => {
  test("sets an authenticator app up in a terminal, shows recovery codes, makes new ones, turns it off", async () => {
    await using gateway = await startGateway();
    const env = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: gateway.token });
    const shown = async () => JSON.parse((await rexec(["factors", "ls", "--json"], env)).stdout.toString());
    expect(await shown()).toEqual({ totp: false, recovery_codes_left: 0, passkeys: 0 });
    await using screen = await between("factors on", env);
    await screen.shows("Code of the app (not shown)");
    const [, secret = ""] = /secret: ([A-Z2-7]{32})/.exec(screen.shown) ?? [];
    expect(screen.shown).toContain("█");
    expect(screen.shown).toContain("otpauth://totp/");
    const code = codeOf(secret, -1);
    await screen.type(`${code}\r`);
    await expectRestored(screen, 0);
    expect(screen.shown).not.toContain(code);
    const [recovery = ""] = /[A-Z2-9]{4}(-[A-Z2-9]{4}){3}/.exec(screen.shown) ?? [];
    expect((await rexec(["factors", "ls"], env)).stdout.toString()).toBe(
      "authenticator app: on, 10 recovery codes left\npasskeys: 0\n",
    );
    const renewed = await rexec(["factors", "codes"], env, `${recovery}\n`);
    const fresh = renewed.stdout.toString().trim().split("\n");
    expect([renewed.code, fresh.length]).toEqual([0, 10]);
    const replayed = await rexec(["factors", "off"], env, `${recovery}\n`);
    expect(replayed.code).toBe(4);
    expect(replayed.stderr).toContain("this code is wrong, or was used already");
    expect(replayed.stderr).toContain("hint: use the app's next code");
    expect(await rexec(["factors", "off"], env, `${fresh[0]}\n`)).toMatchObject({
      code: 0,
      stderr: "the second factor is off\n",
    });
    expect(await shown()).toMatchObject({ totp: false });
  });

  test.each(["on", "codes", "off"])("%s without a code says so before the server is asked", async (word) => {
    await using gateway = await startGateway();
    const env = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: gateway.token });
    const ran = await rexec(["factors", word], env, " \n");
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("error: no code was given\nhint: type the six digits");
    expect(ran.stderr).not.toContain("answered");
  });

  test("is for tokens with all scopes; an administrator resets what a user has lost", async () => {
    await using gateway = await startGateway();
    const narrow = await gateway.mint(["user"]);
    const ran = await rexec(
      ["factors", "ls"],
      environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: narrow.token }),
    );
    expect([ran.code, ran.stderr]).toEqual([4, expect.stringContaining("scopes (user) do not allow that")]);
    const env = environment({ REXEC_HOST: gateway.url, REXEC_TOKEN: gateway.token });
    const { secret } = (await gateway.api("POST", "/api/account/totp")).json;
    await gateway.api("POST", "/api/account/totp/confirm", { code: codeOf(secret, 0) });
    const reset = await rexec(["admin", "users", "reset-factors", "admin"], env);
    expect([reset.code, reset.stderr]).toEqual([0, "admin has no second factor and no passkeys any more\n"]);
    expect((await gateway.api("GET", "/api/account/factors")).json.totp).toBe(false);
  });
});
