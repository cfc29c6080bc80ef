import { describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { verifyAudit } from "../../../src/gateway/audit/verify.ts";
import { MAIN_CHAIN } from "../../../src/gateway/audit/writer.ts";
import type { Principal } from "../../../src/gateway/auth/principal.ts";
import { until } from "../../support/wait.ts";
import { type AuditFolder, auditFolder } from "./support.ts";

async function targetsOf({ store }: AuditFolder): Promise<(string | null)[]> {
  const rows = await store.audits.following(MAIN_CHAIN, 0, 100_000);
  return rows.map(({ target }) => target);
}

function spillOf({ path }: AuditFolder): string {
  return join(path, "audit-spill.jsonl");
}

function principalOf(username: string): Principal {
  const id = crypto.randomUUID();
  const user = {
    id,
    username,
    email: "",
    name: username,
    tier: "",
    is_admin: false,
    created_at: "",
    disabled_at: null,
  };
  const credential = {
    kind: "token",
    id,
    name: "t",
    scopes: ["*"],
    agentId: null,
    only: [],
    session: null,
    expiresAt: null,
  } as const;
  return { user, credential };
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

describe("the writer of the audit log", () => {
  test("keeps the order, in batches, and records never wait", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer();
    for (const target of numbers(3_000)) writer.record({ action: "test", target });
    expect(writer.stats).toMatchObject({ written: 0, queued: 3_000 });
    await writer.flush();
    expect(await targetsOf(folder)).toEqual(numbers(3_000));
    expect(writer.stats).toMatchObject({ written: 3_000, queued: 0, lost: 0 });
  });

  test("puts rows into a private file while another process holds the database, and loses none", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer();
    writer.record({ action: "test", target: "0" });
    await writer.flush();
    const release = folder.hold();
    for (const target of numbers(20_000).slice(1)) {
      writer.record({ action: "test", target });
      if (Number(target) % 4_000 === 0) await writer.flush();
    }
    await writer.flush();
    expect(writer.stats).toMatchObject({ written: 1, queued: 0, lost: 0 });
    expect(statSync(spillOf(folder)).mode & 0o777).toBe(0o600);
    release();
    writer.record({ action: "test", target: "last" });
    await until(() => writer.stats.written === 20_001, 20_000, "the rows of the file");
    expect(await targetsOf(folder)).toEqual([...numbers(20_000), "last"]);
    expect(existsSync(spillOf(folder))).toBe(false);
    expect(await verifyAudit(folder.store.audits)).toMatchObject({ rows: 20_001, faults: [] });
  });

  test("never blocks the event loop while the store is stuck", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer();
    await writer.flush();
    const release = folder.hold();
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    for (const target of numbers(200)) {
      writer.record({ action: "test", target });
      if (Number(target) % 10 === 0) await writer.flush();
      await Bun.sleep(2);
    }
    clearInterval(timer);
    release();
    expect(longest).toBeLessThan(1_000); // a statement that waits for the lock takes 5 s
  });

  test("is not held up by an agent's sign of life, which is not waited for either", async () => {
    await using folder = await auditFolder();
    const release = folder.hold();
    const before = performance.now();
    const { agents } = folder.store;
    expect(await agents.markPing("x", "y").catch((error: Error) => error.message)).toContain("locked");
    expect(performance.now() - before).toBeLessThan(1_000);
    release();
    await agents.markPing("x", "y");
  });

  test("loses no row of a process that ended while the store was stuck", async () => {
    await using folder = await auditFolder();
    const first = folder.writer();
    const release = folder.hold();
    for (const target of numbers(500)) first.record({ action: "test", target });
    await first.close();
    release();
    const second = folder.writer();
    second.record({ action: "test", target: "next" });
    await second.flush();
    expect(await targetsOf(folder)).toEqual([...numbers(500), "next"]);
  });

  test("writes no row twice that a crash left in the file", async () => {
    await using folder = await auditFolder();
    const first = folder.writer();
    const release = folder.hold();
    for (const target of numbers(300)) first.record({ action: "test", target });
    await first.close();
    release();
    const left = readFileSync(spillOf(folder));
    const second = folder.writer();
    await second.flush();
    // As if that process had been killed between the store's commit and the removal, and within its last write.
    appendFileSync(spillOf(folder), Buffer.concat([left, left.subarray(0, 50)]));
    const third = folder.writer();
    await third.flush();
    expect(await targetsOf(folder)).toEqual([...numbers(300), null]);
    const [lost] = (await folder.store.audits.following(MAIN_CHAIN, 300, 10)).map(({ action, details }) => [
      action,
      JSON.parse(details).count,
    ]);
    expect(lost).toEqual(["audit.lost", 1]);
  });

  test("counts what neither memory nor the file can hold, and says so in a row", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer({ spillBytes: 50_000 });
    await writer.flush();
    const release = folder.hold();
    for (const target of numbers(10_000)) writer.record({ action: "test", target });
    await writer.flush();
    const { lost } = writer.stats;
    expect(lost).toBeGreaterThan(9_000);
    expect(statSync(spillOf(folder)).size).toBeLessThanOrEqual(50_000);
    release();
    await writer.flush();
    await until(() => writer.stats.written === 10_001 - lost, 10_000, "the row that tells");
    const rows = await folder.store.audits.following(MAIN_CHAIN, 0, 20_000);
    expect(rows.at(-1)).toMatchObject({ action: "audit.lost" });
    expect(JSON.parse(rows.at(-1)?.details ?? "")).toMatchObject({ count: lost });
    expect(rows.slice(0, -1).map(({ target }) => target)).toEqual(numbers(10_000 - lost));
  });

  test("gathers failures: one row at once, and one a window with their number", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer({ windowMs: 60_000 });
    for (let n = 0; n < 50_000; n += 1)
      writer.record({
        action: "token.refused",
        address: `192.0.2.${n % 4}`,
        details: { reason: "token_unknown" },
      });
    for (let n = 0; n < 5_000; n += 1)
      writer.record({ action: "sign_in_failed", address: `2001:db8:${n.toString(16)}::1`, target: "alice" });
    for (let n = 0; n < 100; n += 1)
      writer.record({ action: "token.refused", address: `2001:db8:ffff:1::${n.toString(16)}` });
    await writer.close();
    const rows = await folder.store.audits.following(MAIN_CHAIN, 0, 10_000);
    // 4 + 1,020 networks at once, 4 of them with a count behind, and the rest of each action in one row.
    expect(rows.length).toBe(4 + 1_020 + 4 + 2);
    const counted = rows.reduce((sum, { details }) => sum + (JSON.parse(details).count ?? 1), 0);
    expect(counted).toBe(50_000 + 5_000 + 100);
    expect(rows.find(({ details }) => JSON.parse(details).count === 12_499)).toMatchObject({
      action: "token.refused",
      address: "192.0.2.0",
    });
  });

  test("gathers what one user does in a flood, and leaves the others alone", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer();
    const users = ["flooder", "other"].map((username) => principalOf(username));
    for (let n = 0; n < 12_500; n += 1) {
      writer.record({
        action: n % 2 ? "exec.started" : "exec.finished",
        principal: users[0],
        target: String(n),
      });
      if (n % 4_000 === 0) await writer.flush();
    }
    writer.record({ action: "exec.started", principal: users[1], target: "mine" });
    await writer.close();
    const rows = await folder.store.audits.following(MAIN_CHAIN, 0, 20_000);
    expect(rows.find(({ target }) => target === "mine")).toMatchObject({ user_name: "other" });
    const flooded = rows.filter(({ user_name }) => user_name === "flooder");
    const counted = flooded.reduce((sum, { details }) => sum + (JSON.parse(details).count ?? 1), 0);
    expect(counted).toBe(12_500);
    expect(flooded.length).toBeLessThan(10_000 + 200);
    expect(flooded.filter(({ details }) => JSON.parse(details).count > 1).length).toBe(2);
  });

  test("never throws into its caller", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer();
    const trap = {
      get action(): string {
        throw new Error("a trap");
      },
    };
    expect(() => writer.record(trap)).not.toThrow();
    expect(writer.stats.lost).toBe(1);
    await writer.flush();
    expect((await folder.store.audits.following(MAIN_CHAIN, 0, 10)).map(({ action }) => action)).toEqual([
      "audit.lost",
    ]);
  });

  test("blanks tokens wherever they stand", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer();
    const token = `rexec_${"ab".repeat(32)}`;
    writer.record({
      action: "test",
      target: token,
      address: token,
      session: `x ${token}`,
      details: { [token]: token, url: "https://a:hunter2@b/?token=hunter2" },
    });
    await writer.flush();
    const text = JSON.stringify(await folder.store.audits.following(MAIN_CHAIN, 0, 10));
    expect(text).not.toContain("abababababababab");
    expect(text).not.toContain("hunter2");
  });
});
