import { expect, test } from "bun:test";
import { counted } from "../../src/lib/count.ts";

test("one is one, and everything else is many", () => {
  expect([0, 1, 2].map((count) => counted(count, "machine"))).toEqual([
    "0 machines",
    "1 machine",
    "2 machines",
  ]);
  expect([1, 3].map((count) => counted(count, "entry", "entries"))).toEqual(["1 entry", "3 entries"]);
});
