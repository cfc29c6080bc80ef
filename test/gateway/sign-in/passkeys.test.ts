import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newPasskeyBody, usePasskeyBody } from "../../../src/gateway/sign-in/passkey-shapes.ts";
import { PASSKEYS_OF_USER, PasskeySignIn, relyingPartyOf } from "../../../src/gateway/sign-in/passkeys.ts";
import { openStore, type Store } from "../../../src/gateway/store/store.ts";
import type { UserRow } from "../../../src/gateway/store/users.ts";
import { Authenticator, type Odd } from "../../support/authenticator.ts";

const PUBLIC = "https://rexec.example.com:8443/prefix";
const ORIGIN = "https://rexec.example.com:8443";
const NAME = "rexec.example.com";
const HERE = "192.0.2.7";

interface World {
  passkeys: PasskeySignIn;
  store: Store;
  user: UserRow;
  other: UserRow;
  device: Authenticator;
  register(user?: UserRow, device?: Authenticator, odd?: Odd): Promise<unknown>;
  signIn(device?: Authenticator, odd?: Odd): Promise<{ user: UserRow }>;
}

async function withPasskeys(run: (world: World) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), "rexec-passkeys-"));
  const store = await openStore(folder);
  try {
    const passkeys = new PasskeySignIn(store);
    const [user, other] = [
      await store.users.create({ username: "ada", isAdmin: false }),
      await store.users.create({ username: "bob", isAdmin: false }),
    ];
    const device = await Authenticator.make(NAME, ORIGIN);
    await run({
      passkeys,
      store,
      user,
      other,
      device,
      async register(owner = user, by = device, odd = {}) {
        const { step, options } = await passkeys.beginNew(owner, PUBLIC);
        const body = newPasskeyBody.parse({ step, name: "phone", credential: await by.create(options, odd) });
        return passkeys.finishNew(owner, PUBLIC, body);
      },
      async signIn(by = device, odd = {}) {
        const { step, options } = await passkeys.beginUse(PUBLIC, HERE);
        return passkeys.finishUse(
          PUBLIC,
          usePasskeyBody.parse({ step, credential: await by.get(options, odd) }),
        );
      },
    });
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const refused = { status: 401, code: "sign_in_failed" };
const bad = { status: 400, code: "bad_passkey" };
const expired = { status: 410, code: "sign_in_expired" };

describe("passkeys", () => {
  test.each([
    ["https://rexec.example.com", NAME],
    ["https://rexec.example.com:8443/prefix", NAME],
    ["http://localhost:8080", "localhost"],
    ["http://gw.localhost:8080", "gw.localhost"],
  ])("are bound to the name in %s", (url, id) => {
    expect(relyingPartyOf(url)).toEqual({ id, origin: new URL(url).origin });
  });

  test.each([
    ["http://rexec.example.com", /need https.*--tls-cert/],
    ["http://notlocalhost:8080", /need https/],
    ["https://192.0.2.7", /IP address/],
    ["http://127.0.0.1:8080", /IP address/],
    ["https://[2001:db8::1]:8443", /IP address/],
    ["nothing", /public URL/],
  ])("are refused at %s, with the reason", async (url, reason) => {
    expect(relyingPartyOf(url)).toMatch(reason);
    await withPasskeys(async ({ passkeys, user }) => {
      const no = { status: 409, code: "no_passkeys_here" };
      await expect(passkeys.beginNew(user, url)).rejects.toMatchObject(no);
      await expect(passkeys.beginUse(url, HERE)).rejects.toMatchObject(no);
    });
  });

  test("are registered, and sign their user in", () =>
    withPasskeys(async ({ register, signIn, store, user }) => {
      expect(await register()).toMatchObject({ name: "phone", user_id: user.id, transports: ["internal"] });
      for (const uses of [1, 2, 3]) {
        expect((await signIn()).user.username).toBe("ada");
        expect((await store.passkeys.listOfUser(user.id))[0]).toMatchObject({ counter: uses });
      }
      const [passkey] = await store.passkeys.listOfUser(user.id);
      expect(await store.passkeys.remove(user.id, passkey?.id ?? "")).not.toBeNull();
      await expect(signIn()).rejects.toMatchObject(refused);
    }));

  test("of a device that does not count are taken with 0", () =>
    withPasskeys(async ({ register, signIn }) => {
      await register();
      await signIn(undefined, { counter: 0 });
      await signIn(undefined, { counter: 0 });
    }));

  test.each<[string, Odd]>([
    ["of another origin", { origin: "https://evil.example" }],
    ["of another port", { origin: "https://rexec.example.com" }],
    ["over plain http", { origin: "http://rexec.example.com:8443" }],
    ["for another name", { rpId: "evil.example" }],
    ["with another challenge", { challenge: "AAAA" }],
    ["of another kind", { type: "webauthn.create" }],
    ["without a check of the owner", { flags: 0x01 }],
    ["without a touch", { flags: 0x04 }],
    ["with a counter that goes backwards", { counter: 3 }],
    ["with a counter that stands still", { counter: 5 }],
    ["with no counter, where there was one", { counter: 0 }],
    ["of another user", { userHandle: Buffer.from("someone").toString("base64url") }],
  ])("are refused with an answer %s", (_, odd) =>
    withPasskeys(async ({ register, signIn, store, user }) => {
      await register();
      await signIn(undefined, { counter: 5 });
      await expect(signIn(undefined, odd)).rejects.toMatchObject(refused);
      expect((await store.passkeys.listOfUser(user.id))[0]).toMatchObject({ counter: 5 });
      expect((await signIn(undefined, { counter: 6 })).user.id).toBe(user.id);
    }),
  );

  test.each<[string, Odd]>([
    ["of another origin", { origin: "https://evil.example" }],
    ["for another name", { rpId: "evil.example" }],
    ["with another challenge", { challenge: "AAAA" }],
    ["of another kind", { type: "webauthn.get" }],
    ["without a check of the owner", { flags: 0x01 }],
  ])("are not registered by an answer %s", (_, odd) =>
    withPasskeys(async ({ register, store, user }) => {
      await expect(register(user, undefined, odd)).rejects.toMatchObject(bad);
      expect(await store.passkeys.listOfUser(user.id)).toEqual([]);
    }),
  );

  test("take each challenge once, also of two answers at the same moment, and no other step's", () =>
    withPasskeys(async ({ passkeys, register, device, user, other }) => {
      await register();
      const { step, options } = await passkeys.beginUse(PUBLIC, HERE);
      const body = usePasskeyBody.parse({ step, credential: await device.get(options) });
      const both = await Promise.allSettled([
        passkeys.finishUse(PUBLIC, body),
        passkeys.finishUse(PUBLIC, body),
      ]);
      expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      await expect(passkeys.finishUse(PUBLIC, body)).rejects.toMatchObject(expired);
      // A wrong answer uses the challenge up, too.
      const next = await passkeys.beginUse(PUBLIC, HERE);
      const wrong = usePasskeyBody.parse({ step: next.step, credential: await device.get(options) });
      await expect(passkeys.finishUse(PUBLIC, wrong)).rejects.toMatchObject(refused);
      const right = usePasskeyBody.parse({ step: next.step, credential: await device.get(next.options) });
      await expect(passkeys.finishUse(PUBLIC, right)).rejects.toMatchObject(expired);
      // The step of a registration signs nobody in, and is its user's alone.
      const made = await passkeys.beginNew(user, PUBLIC);
      const theirs = newPasskeyBody.parse({ step: made.step, credential: await device.create(made.options) });
      await expect(passkeys.finishNew(other, PUBLIC, theirs)).rejects.toMatchObject(expired);
      const mixed = usePasskeyBody.parse({ step: made.step, credential: await device.get(made.options) });
      await expect(passkeys.finishUse(PUBLIC, mixed)).rejects.toMatchObject(expired);
    }));

  test("are one user's, and not too many", () =>
    withPasskeys(async ({ register, user, other, device, store }) => {
      await register();
      await expect(register(other, device)).rejects.toMatchObject({ status: 409, code: "passkey_known" });
      for (let at = 1; at < PASSKEYS_OF_USER; at += 1)
        await register(user, await Authenticator.make(NAME, ORIGIN));
      const further = await Authenticator.make(NAME, ORIGIN);
      await expect(register(user, further)).rejects.toMatchObject({ status: 409, code: "passkey_limit" });
      expect(await store.passkeys.listOfUser(user.id)).toHaveLength(PASSKEYS_OF_USER);
    }));

  test("that nobody has are refused", () =>
    withPasskeys(async ({ register, signIn }) => {
      await register();
      await expect(signIn(await Authenticator.make(NAME, ORIGIN))).rejects.toMatchObject(refused);
    }));

  test.each([
    {},
    { step: "x" },
    { step: "x", credential: { id: "a b", rawId: "x", type: "public-key", response: {} } },
    { step: "x", credential: { id: "x", rawId: "x", type: "password", response: {} } },
  ])("are not read from %j", (body) => {
    expect(usePasskeyBody.safeParse(body).success).toBe(false);
    expect(newPasskeyBody.safeParse(body).success).toBe(false);
  });
});
