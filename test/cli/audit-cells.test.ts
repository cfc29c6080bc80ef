/** How `rexec audit` shows an entry in a line. */
import { expect, test } from "bun:test";
import { auditCells } from "../../src/commands/_audit.ts";
import { auditEntryBody } from "../../src/protocol/http-audit.ts";

function cellsOf(more: Record<string, unknown>): string[] {
  const entry = {
    chain: "main",
    seq: 1,
    id: "x",
    at: "2026-01-31T12:00:00.123Z",
    action: "session.attached",
  };
  return auditCells(auditEntryBody.parse({ ...entry, ...more }));
}

const user = { id: "1", name: "ada" };

test.each<[string, Record<string, unknown>, string]>([
  ["a user", { user, credential: { id: "token:1", name: "cli" } }, "ada"],
  ["the guest of a share", { user, credential: { id: "share:1", name: "eve" } }, "shared: eve (by ada)"],
  ["a guest whose host is gone", { credential: { id: "share:1", name: "eve" } }, "shared: eve"],
  ["a guest without a name", { user, credential: { id: "share:1" } }, "shared: ? (by ada)"],
  ["the gateway itself", {}, "-"],
])("%s is named", (_, more, shown) => {
  expect(cellsOf(more)[1]).toBe(shown);
});

test("what is not known is left out, what is empty or zero is not", () => {
  const details = { exit_code: 0, signal: null, name_pattern: null, from: "", left: false };
  expect(cellsOf({ session: "main", details })[5]).toBe('main exit_code=0 from="" left=false');
});
