import { Database as File } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { draftOf } from "../../../src/gateway/audit/draft.ts";
import { type AuditFault, verifyAudit } from "../../../src/gateway/audit/verify.ts";
import { MAIN_CHAIN } from "../../../src/gateway/audit/writer.ts";
import { type AuditFolder, auditFolder } from "./support.ts";

/** Rows `row-1` to `row-N`, written in batches. */
async function filled(folder: AuditFolder, count: number): Promise<void> {
  const writer = folder.writer();
  for (let number = 1; number <= count; number += 1)
    writer.record({ action: "test", target: `row-${number}` });
  await writer.flush();
}

async function faultsOf({ store }: AuditFolder): Promise<[AuditFault["fault"], number][]> {
  const { faults } = await verifyAudit(store.audits);
  return faults.map(({ fault, seq }) => [fault, seq]);
}

const SWAP = (a: number, b: number) =>
  ["-1", String(a), String(b)].flatMap((to, step) => {
    const from = [a, b, -1][step];
    return [`UPDATE audit SET seq = ${to} WHERE seq = ${from}`];
  });

describe("a chain of audit rows", () => {
  test("that nobody touched verifies, whatever its texts hold", async () => {
    await using folder = await auditFolder();
    const writer = folder.writer();
    writer.record({
      action: "test",
      target: "a\0b \ud800 ü 🙂",
      details: { "k\udc00": "\0\ud800", n: 1e300, o: Number.NaN },
    });
    writer.record({ action: "test", target: "x".repeat(5_000), details: { long: "🙂".repeat(5_000) } });
    await filled(folder, 2_500);
    await writer.flush();
    const report = await verifyAudit(folder.store.audits);
    expect(report).toMatchObject({
      rows: 2_502,
      faults: [],
      more: 0,
      newest: [{ chain: MAIN_CHAIN, seq: 2_502 }],
    });
  });

  test.each<[string, string[], [AuditFault["fault"], number][]]>([
    ["a text changed by hand", ["UPDATE audit SET target = 'else' WHERE seq = 5"], [["changed", 5]]],
    [
      "a person put in another's place",
      ["UPDATE audit SET user_name = 'eve' WHERE seq = 9"],
      [["changed", 9]],
    ],
    ["a null made of a text", ["UPDATE audit SET target = NULL WHERE seq = 1"], [["changed", 1]]],
    [
      "a text made a blob",
      ["UPDATE audit SET details = x'00ff' WHERE seq = 3"],
      [
        ["changed", 3],
        ["unlinked", 4],
      ],
    ],
    ["a detail changed", [`UPDATE audit SET details = '{"a":1}' WHERE seq = 20`], [["changed", 20]]],
    [
      "a hash changed",
      ["UPDATE audit SET hash = 'ff' WHERE seq = 7"],
      [
        ["changed", 7],
        ["unlinked", 8],
      ],
    ],
    ["a row removed", ["DELETE FROM audit WHERE seq = 10"], [["missing", 11]]],
    ["the first row removed", ["DELETE FROM audit WHERE seq = 1"], [["missing", 2]]],
    ["several rows removed", ["DELETE FROM audit WHERE seq BETWEEN 4 AND 8"], [["missing", 9]]],
    ["the tail cut off", ["DELETE FROM audit WHERE seq > 18"], [["truncated", 20]]],
    ["the last row removed", ["DELETE FROM audit WHERE seq = 20"], [["truncated", 20]]],
    ["all rows removed", ["DELETE FROM audit"], [["truncated", 20]]],
    [
      "two rows swapped",
      SWAP(6, 7),
      [
        ["changed", 6],
        ["changed", 7],
        ["unlinked", 8],
      ],
    ],
    [
      "two distant rows swapped",
      SWAP(2, 15),
      [
        ["changed", 2],
        ["unlinked", 3],
        ["changed", 15],
        ["unlinked", 16],
      ],
    ],
    ["the head removed", ["DELETE FROM audit_heads"], [["headless", 0]]],
    [
      "the head turned back",
      ["UPDATE audit_heads SET newest_seq = 15, newest_hash = (SELECT hash FROM audit WHERE seq = 15)"],
      [
        ["extra", 16],
        ["extra", 17],
        ["extra", 18],
        ["extra", 19],
        ["extra", 20],
      ],
    ],
    [
      "the front cut off in the name of retention",
      ["UPDATE audit_heads SET first_seq = 6", "DELETE FROM audit WHERE seq < 6"],
      [["unlinked", 6]],
    ],
  ])("shows %s", async (_what, statements, faults) => {
    await using folder = await auditFolder();
    await filled(folder, 20);
    folder.tamper(...statements);
    expect(await faultsOf(folder)).toEqual(faults);
  });

  test("that was written anew, hashes and all, does not have the mark of before", async () => {
    await using folder = await auditFolder();
    await filled(folder, 20);
    const { newest } = await verifyAudit(folder.store.audits);
    folder.tamper("DELETE FROM audit", "DELETE FROM audit_heads");
    await filled(folder, 25);
    expect(await faultsOf(folder)).toEqual([]);
    const { faults } = await verifyAudit(folder.store.audits, newest);
    expect(faults).toMatchObject([{ fault: "changed", seq: 20 }]);
    const { faults: none } = await verifyAudit(
      folder.store.audits,
      (await verifyAudit(folder.store.audits)).newest,
    );
    expect(none).toEqual([]);
  });

  test("describes a bounded number of faults, and counts the rest", async () => {
    await using folder = await auditFolder();
    await filled(folder, 1_500);
    folder.tamper("UPDATE audit SET target = 'else'");
    const { faults, more } = await verifyAudit(folder.store.audits);
    expect([faults.length, more]).toEqual([100, 1_400]);
  });

  test("takes no change and no deletion through the gateway's own connection", async () => {
    await using folder = await auditFolder();
    await filled(folder, 3);
    using file = new File(folder.file);
    for (const statement of [
      "UPDATE audit SET target = 'else'",
      "DELETE FROM audit",
      "DELETE FROM audit_heads",
      "UPDATE audit_heads SET newest_seq = 1",
    ])
      expect(() => file.exec(statement)).toThrow(/audit/);
    expect(await faultsOf(folder)).toEqual([]);
  });

  test("loses its oldest rows to retention and still verifies, up to the day", async () => {
    await using folder = await auditFolder();
    const { audits } = folder.store;
    const day = 24 * 60 * 60_000;
    const rows = Array.from({ length: 1_200 }, (_, index) =>
      draftOf({ action: "test", target: String(index) }, Date.now() - (1_200 - index) * day),
    );
    for (let at = 0; at < rows.length; at += 200) await audits.append(MAIN_CHAIN, rows.slice(at, at + 200));
    const before = new Date(Date.now() - 100.5 * day).toISOString();
    const retention = { before, most: 1_000_000 };
    const deleted = [];
    do deleted.push(await audits.prune(MAIN_CHAIN, retention));
    while (deleted.at(-1));
    expect(deleted.reduce((sum, each) => sum + each, 0)).toBe(1_100);
    expect(await verifyAudit(audits)).toMatchObject({ rows: 100, faults: [] });
    expect(await audits.prune(MAIN_CHAIN, { before: "", most: 30 })).toBe(70);
    expect(await verifyAudit(audits)).toMatchObject({ rows: 30, faults: [], newest: [{ seq: 1_200 }] });
    await filled(folder, 2);
    expect(await verifyAudit(audits)).toMatchObject({ rows: 32, faults: [] });
  });

  test("is one chain where two processes append to it at the same moment", async () => {
    await using folder = await auditFolder();
    const { openStore } = await import("../../../src/gateway/store/store.ts");
    const other = await openStore(folder.path, false);
    const append = async (store: typeof other, name: string) => {
      for (let number = 0; number < 50; ) {
        try {
          await store.audits.append(MAIN_CHAIN, [
            draftOf({ action: "test", target: `${name}-${number}` }, Date.now()),
          ]);
          number += 1;
        } catch {
          await Bun.sleep(1); // the other one holds the database
        }
      }
    };
    await Promise.all([append(folder.store, "a"), append(other, "b")]);
    await other.close();
    expect(await verifyAudit(folder.store.audits)).toMatchObject({ rows: 100, faults: [] });
  });
});
