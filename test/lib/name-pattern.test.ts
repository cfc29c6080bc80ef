import { expect, test } from "bun:test";
import fc from "fast-check";
import { matchesName } from "../../src/lib/name-pattern.ts";

test.each([
  ["web-*", "web-1", true],
  ["web-*", "web-", true],
  ["web-*", "web", false],
  ["web-*", "my-web-1", false],
  ["*-db-?", "prod-db-1", true],
  ["*-db-?", "prod-db-12", false],
  ["*.example.com", "a.b.example.com", true],
  ["web-1", "web-1", true],
  ["web-1", "Web-1", false],
  ["a.c", "abc", false],
  ["[ab]", "a", false],
  ["*", "", true],
  ["?", "🦊", true],
  ["*a*b*c", "xxaxxbxxaxc", true],
])("%s fits %s: %p", (pattern, name, fits) => {
  expect(matchesName(pattern, name)).toBe(fits);
});

test("says what a regular expression of the same meaning says", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 12 });
  fc.assert(
    fc.property(text, fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 }), (pattern, name) => {
      const words = pattern.replaceAll("*", ".*").replaceAll("?", ".");
      expect(matchesName(pattern, name)).toBe(new RegExp(`^${words}$`).test(name));
    }),
  );
});

test("is not slow for a pattern full of stars", () => {
  const started = performance.now();
  expect(matchesName(`${"*a".repeat(64)}b`, "a".repeat(128))).toBe(false);
  expect(performance.now() - started).toBeLessThan(100);
});
