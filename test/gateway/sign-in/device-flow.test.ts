import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeviceFlow, type DeviceFlowLimits } from "../../../src/gateway/sign-in/device-flow.ts";
import { makeUserCode, readUserCode } from "../../../src/gateway/sign-in/user-code.ts";
import { openStore, type Store } from "../../../src/gateway/store/store.ts";
import type { UserRow } from "../../../src/gateway/store/users.ts";

const HERE = "192.0.2.7";

async function withFlow(
  run: (flow: DeviceFlow, user: UserRow, store: Store) => Promise<void>,
  limits: Partial<DeviceFlowLimits> = { intervalS: 0 },
  mostTokens = 10,
) {
  const folder = mkdtempSync(join(tmpdir(), "rexec-device-"));
  const store = await openStore(folder);
  try {
    const user = await store.users.create({ username: "ada", isAdmin: false });
    await run(new DeviceFlow(store, mostTokens, limits), user, store);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const begin = (flow: DeviceFlow, address = HERE) => flow.begin("laptop", ["user"], address);

describe("the short code", () => {
  test("has eight letters without vowels and digits, in two groups", () => {
    for (let at = 0; at < 200; at += 1)
      expect(makeUserCode()).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  });

  test.each(["bcdf-ghjk", "BCDFGHJK", " bcdf ghjk ", "b.c.d.f_g.h.j.k", "BCDF\u2013GHJK"])(
    "is read from %j",
    (typed) => {
      expect(readUserCode(typed)).toBe("BCDF-GHJK");
    },
  );

  test.each(["", "BCDF", "BCDF-GHJA", "BCDF-GHJKL", "BCDF-GHJ1", "BCDF-GHJK".repeat(10), "ＢCDF-GHJK"])(
    "is not read from %j",
    (typed) => {
      expect(readUserCode(typed)).toBeNull();
    },
  );
});

describe("the device flow", () => {
  test("gives a token of the person who approved, with the scopes that were asked for, once", () =>
    withFlow(async (flow, user, store) => {
      const start = await begin(flow);
      expect(await flow.redeem(start.deviceCode, HERE)).toMatchObject({ code: "authorization_pending" });
      expect(await flow.look(start.userCode.toLowerCase(), user)).toMatchObject({
        client: "laptop",
        address: HERE,
        scopes: ["user"],
      });
      await flow.decide(start.userCode, user, true);
      const redeemed = await flow.redeem(start.deviceCode, HERE);
      expect(redeemed).toMatchObject({
        kind: "token",
        row: { name: "rexec on laptop", scopes: ["user"], user_id: user.id },
      });
      expect(await flow.redeem(start.deviceCode, HERE)).toMatchObject({ code: "invalid_grant" });
      expect(await store.tokens.listOfUser(user.id)).toHaveLength(1);
    }));

  test("shows a machine's name for itself as one line of plain text", () =>
    withFlow(async (flow, user, store) => {
      const { deviceCode, userCode } = await flow.begin(" web\n1\u001b[2J\u202e\ud800 ", ["user"], HERE);
      expect((await flow.look(userCode, user)).client).toBe("web 1 [2J \ufffd");
      await flow.decide(userCode, user, true);
      await flow.redeem(deviceCode, HERE);
      expect((await store.tokens.listOfUser(user.id))[0]?.name).toBe("rexec on web 1 [2J \ufffd");
    }));

  test("gives one token to many polls at the same moment", () =>
    withFlow(async (flow, user, store) => {
      const start = await begin(flow);
      await flow.decide(start.userCode, user, true);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => flow.redeem(start.deviceCode, HERE)),
      );
      expect(answers.filter(({ kind }) => kind === "token")).toHaveLength(1);
      expect(await store.tokens.listOfUser(user.id)).toHaveLength(1);
    }));

  test("takes one decision, the first, also of two at the same moment", () =>
    withFlow(async (flow, user) => {
      const start = await begin(flow);
      const decisions = await Promise.allSettled([
        flow.decide(start.userCode, user, false),
        flow.decide(start.userCode, user, true),
        flow.decide(start.userCode, user, true),
      ]);
      expect(decisions.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
      await expect(flow.decide(start.userCode, user, true)).rejects.toMatchObject({
        status: 404,
        code: "code_unknown",
      });
      expect(await flow.redeem(start.deviceCode, HERE)).toMatchObject({ code: "access_denied" });
    }));

  test("tells a client that polls too fast to slow down, each time more", () =>
    withFlow(
      async (flow, user, store) => {
        const start = await begin(flow);
        const poll = async () => {
          const redeemed = await flow.redeem(start.deviceCode, HERE);
          return redeemed.kind === "error" ? redeemed.code : redeemed.kind;
        };
        expect([await poll(), await poll(), await poll()]).toEqual([
          "authorization_pending",
          "slow_down",
          "slow_down",
        ]);
        const row = await flow.look(start.userCode, user);
        expect(row.interval_s).toBe(15);
        await flow.decide(start.userCode, user, true);
        // Approved or not: what polls too fast gets nothing.
        expect(await poll()).toBe("slow_down");
        expect(await store.tokens.listOfUser(user.id)).toHaveLength(0);
      },
      { intervalS: 5 },
    ));

  test("lets a code expire, for the approval and for the token", () =>
    withFlow(
      async (flow, user) => {
        const start = await begin(flow);
        await expect(flow.decide(start.userCode, user, true)).rejects.toMatchObject({ code: "code_unknown" });
        expect(await flow.redeem(start.deviceCode, HERE)).toMatchObject({ code: "expired_token" });
      },
      { lifetimeMs: -1, intervalS: 0 },
    ));

  test("limits what a signed-in user may guess, at the same moment too", () =>
    withFlow(async (flow, user) => {
      await begin(flow);
      const tries = await Promise.allSettled(
        Array.from({ length: 30 }, () => flow.decide(makeUserCode(), user, true)),
      );
      const codes = tries.map((each) => (each.status === "rejected" ? each.reason.code : "approved"));
      expect(codes.filter((code) => code === "code_unknown")).toHaveLength(10);
      expect(codes.filter((code) => code === "too_many_tries")).toHaveLength(20);
    }));

  test("limits guesses of device codes by address, and lets no right poll pay for them", () =>
    withFlow(async (flow, user) => {
      const start = await begin(flow);
      const guesses = await Promise.allSettled(
        Array.from({ length: 40 }, (_, at) => flow.redeem(`guess-${at}`, HERE)),
      );
      expect(guesses.filter(({ status }) => status === "rejected").length).toBeGreaterThan(15);
      await flow.decide(start.userCode, user, true);
      expect(await flow.redeem(start.deviceCode, HERE)).toMatchObject({ kind: "token" });
    }));

  test("keeps a bounded number of codes, of one network and in all", () =>
    withFlow(
      async (flow) => {
        for (let at = 0; at < 3; at += 1) await begin(flow, `2001:db8:1:1::${at}`);
        await expect(begin(flow, "2001:db8:1:1::99")).rejects.toMatchObject({
          status: 429,
          code: "too_many_sign_ins",
        });
        await begin(flow, "192.0.2.1");
        await begin(flow, "192.0.2.2");
        await expect(begin(flow, "192.0.2.3")).rejects.toMatchObject({
          status: 429,
          code: "too_many_sign_ins",
        });
      },
      { most: 5, mostOfNetwork: 3 },
    ));

  test("limits new codes of one address", () =>
    withFlow(
      async (flow) => {
        await begin(flow);
        await begin(flow);
        await expect(begin(flow)).rejects.toMatchObject({ status: 429, code: "too_many_tries" });
      },
      { requests: { burst: 2, refillMs: 60_000, maxAddresses: 10 } },
    ));

  test("makes no token beyond the user's quota", () =>
    withFlow(
      async (flow, user) => {
        const [one, two] = [await begin(flow), await begin(flow)];
        for (const { userCode } of [one, two]) await flow.decide(userCode, user, true);
        expect(await flow.redeem(one.deviceCode, HERE)).toMatchObject({ kind: "token" });
        expect(await flow.redeem(two.deviceCode, HERE)).toMatchObject({ code: "access_denied" });
      },
      { intervalS: 0 },
      1,
    ));
});
