import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret, TOTP } from "otpauth";
import { SecondFactor } from "../../../src/gateway/sign-in/totp.ts";
import { openStore, type Store } from "../../../src/gateway/store/store.ts";
import type { UserRow } from "../../../src/gateway/store/users.ts";

const START = Date.parse("2026-11-25T12:00:10Z");

interface World {
  factor: SecondFactor;
  user: UserRow;
  other: UserRow;
  store: Store;
  /** Moves the clock, seconds. */
  pass(seconds: number): void;
  /** What the app shows `ahead` seconds from now. */
  code(secret: string, ahead?: number): string;
}

async function withFactor(run: (world: World) => Promise<void>, burst = 1_000) {
  const folder = mkdtempSync(join(tmpdir(), "rexec-totp-"));
  const store = await openStore(folder);
  let now = START;
  try {
    const [user, other] = [
      await store.users.create({ username: "ada", isAdmin: false }),
      await store.users.create({ username: "bob", isAdmin: false }),
    ];
    const tries = { burst, refillMs: 30_000, maxAddresses: 100 };
    await run({
      factor: new SecondFactor(store, tries, () => now),
      user,
      other,
      store,
      pass: (seconds) => {
        now += seconds * 1000;
      },
      code: (secret, ahead = 0) =>
        TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: now + ahead * 1000 }),
    });
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An app that is set up to its end, one step ago. */
async function setUp({ factor, user, code, pass }: World): Promise<{ secret: string; codes: string[] }> {
  const { secret } = await factor.begin(user, "rexec.example");
  const codes = await factor.confirm(user, code(secret));
  pass(30);
  return { secret, codes };
}

const wrong = { status: 401, code: "wrong_code" };

describe("an authenticator app", () => {
  test.each([
    [59, "287082"],
    [1111111109, "081804"],
    [1111111111, "050471"],
    [1234567890, "005924"],
    [2000000000, "279037"],
    [20000000000, "353130"],
  ])("has at %d the code of RFC 6238, %s", async (seconds, code) => {
    await withFactor(async ({ store, user }) => {
      const factor = new SecondFactor(store, undefined, () => seconds * 1000);
      const { base32 } = Secret.fromLatin1("12345678901234567890");
      await store.factors.beginTotp(user.id, base32);
      expect(await factor.confirm(user, code)).toHaveLength(10);
    });
  });

  test("counts once a code has confirmed it, and is shown as URI and picture", () =>
    withFactor(async ({ factor, user, code }) => {
      const shown = await factor.begin(user, "rexec.example:8443");
      expect(shown.uri).toStartWith(
        "otpauth://totp/rexec.example_8443:ada?issuer=rexec.example_8443&secret=",
      );
      expect(shown.svg).toMatch(/^<svg .*<\/svg>$/s);
      expect(await factor.isOn(user.id)).toBe(false);
      await expect(factor.check(user, code(shown.secret))).rejects.toMatchObject(wrong);
      await expect(factor.confirm(user, "000000")).rejects.toMatchObject(wrong);
      await factor.confirm(user, code(shown.secret));
      expect(await factor.isOn(user.id)).toBe(true);
      await expect(factor.begin(user, "rexec.example")).rejects.toMatchObject({
        status: 409,
        code: "totp_exists",
      });
      await expect(factor.confirm(user, code(shown.secret, 30))).rejects.toMatchObject({ status: 409 });
    }));

  test("is replaced by a later set-up while it is not confirmed", () =>
    withFactor(async ({ factor, user, code }) => {
      const first = await factor.begin(user, "x");
      const second = await factor.begin(user, "x");
      await expect(factor.confirm(user, code(first.secret))).rejects.toMatchObject(wrong);
      await factor.confirm(user, code(second.secret));
    }));

  test("may be half a minute off, and no more", () =>
    withFactor(async (world) => {
      const { factor, user, code, pass } = world;
      const { secret } = await setUp(world);
      pass(300);
      for (const far of [-60, 60])
        await expect(factor.check(user, code(secret, far))).rejects.toMatchObject(wrong);
      for (const near of [-30, 0, 30]) expect(await factor.check(user, code(secret, near))).toBe("totp");
    }));

  test("has no code accepted twice: the one that confirmed it, a replay, an older one, two at the same moment", () =>
    withFactor(async (world) => {
      const { factor, user, code, pass } = world;
      const { secret } = await setUp(world);
      // The code that confirmed the set-up is still within the window.
      await expect(factor.check(user, code(secret, -30))).rejects.toMatchObject(wrong);
      const now = code(secret);
      const both = await Promise.allSettled([
        factor.check(user, now),
        factor.check(user, ` ${now.slice(0, 3)} ${now.slice(3)} `),
      ]);
      expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      await expect(factor.check(user, now)).rejects.toMatchObject(wrong);
      expect(await factor.check(user, code(secret, 30))).toBe("totp");
      pass(30);
      await expect(factor.check(user, code(secret))).rejects.toMatchObject(wrong);
      await expect(factor.check(user, code(secret, -30))).rejects.toMatchObject(wrong);
    }));

  test("is nobody else's", () =>
    withFactor(async (world) => {
      const { secret, codes } = await setUp(world);
      await expect(world.factor.check(world.other, world.code(secret))).rejects.toMatchObject(wrong);
      await expect(world.factor.check(world.other, codes[0] ?? "")).rejects.toMatchObject(wrong);
    }));

  test.each([
    "",
    "12345",
    "1234567",
    "１２３４５６",
    "0x1234",
    "-12345",
    "null",
    "1e5000",
    "A".repeat(5_000),
  ])("takes no code such as %#", (typed) =>
    withFactor(async (world) => {
      await setUp(world);
      await expect(world.factor.check(world.user, typed)).rejects.toMatchObject(wrong);
    }),
  );

  test("is not guessed: a few tries of an account, also at the same moment, and a right code waits too", () =>
    withFactor(async (world) => {
      const { factor, user, other, code } = world;
      const { secret } = await setUp(world);
      const tries = await Promise.allSettled(
        Array.from({ length: 100 }, (_, at) => factor.check(user, String(at).padStart(6, "0"))),
      );
      const codes = tries.map((each) => (each.status === "rejected" ? each.reason.code : "passed"));
      expect(codes.filter((each) => each === "wrong_code").length).toBeLessThanOrEqual(5);
      expect(codes.filter((each) => each === "too_many_attempts").length).toBeGreaterThanOrEqual(95);
      await expect(factor.check(user, code(secret))).rejects.toMatchObject({ status: 429 });
      await expect(factor.check(other, "000000")).rejects.toMatchObject(wrong);
    }, 5));

  test("is removed with its recovery codes", () =>
    withFactor(async (world) => {
      const { factor, user, code } = world;
      const { secret, codes } = await setUp(world);
      expect(await factor.remove(user.id)).toBe(true);
      expect(await factor.remove(user.id)).toBe(false);
      expect(await factor.isOn(user.id)).toBe(false);
      await expect(factor.check(user, code(secret))).rejects.toMatchObject(wrong);
      await expect(factor.check(user, codes[0] ?? "")).rejects.toMatchObject(wrong);
    }));
});

describe("a recovery code", () => {
  test("is good once, however it is typed, also of two at the same moment", () =>
    withFactor(async (world) => {
      const { factor, user, store } = world;
      const { codes } = await setUp(world);
      const [first = "", second = ""] = codes;
      expect(new Set(codes).size).toBe(10);
      expect(await factor.check(user, ` ${first.toLowerCase().replaceAll("-", " ")}`)).toBe("recovery_code");
      await expect(factor.check(user, first)).rejects.toMatchObject(wrong);
      const both = await Promise.allSettled([factor.check(user, second), factor.check(user, second)]);
      expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      expect(await store.factors.recoveryCodesLeft(user.id)).toBe(8);
    }));

  test("is replaced by new ones", () =>
    withFactor(async (world) => {
      const { factor, user, other } = world;
      const { codes } = await setUp(world);
      const [fresh = ""] = await factor.renewRecoveryCodes(user);
      await expect(factor.check(user, codes[0] ?? "")).rejects.toMatchObject(wrong);
      expect(await factor.check(user, fresh)).toBe("recovery_code");
      await expect(factor.renewRecoveryCodes(other)).rejects.toMatchObject({ status: 409 });
    }));

  test("is kept as a hash", () =>
    withFactor(async (world) => {
      const { codes } = await setUp(world);
      const kept = JSON.stringify(await world.store.factors.totp(world.user.id));
      for (const code of codes) expect(kept).not.toContain(code);
    }));
});
