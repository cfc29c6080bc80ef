import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { pathSegment } from "../../src/protocol/path.ts";
import { parseOpener } from "../../src/protocol/v2/control.ts";

describe("a name in an address", () => {
  test("is one segment, whatever it is: nothing above it and nothing beside it is named", () => {
    const name = fc.oneof(
      fc.string({ minLength: 1, unit: "binary" }),
      fc.constantFrom("%2e%2e", "../x", "..\\", "a/../b", "?", "#", "...", "%2f", "\t", ".\n.", "\ud800"),
    );
    fc.assert(
      fc.property(name, (text) => {
        fc.pre(text !== "." && text !== "..");
        const url = new URL(`http://host/api/agents/1/sessions/${pathSegment(text)}`);
        const segments = url.pathname.split("/");
        expect(segments.slice(0, -1)).toEqual(["", "api", "agents", "1", "sessions"]);
        expect(decodeURIComponent(segments.at(-1) ?? "")).toBe(text.toWellFormed());
        expect(url.search + url.hash).toBe("");
      }),
    );
  });

  test.each(["", ".", ".."])("cannot be %p", (text) => {
    expect(() => pathSegment(text)).toThrow(RangeError);
  });

  test.each([".", ".."])("nothing is started as %p, and what was can still be ended", (name) => {
    const attach = { type: "attach", channel: 1, session: name, create: true, viewer: "v" };
    expect(parseOpener(JSON.stringify(attach))).toMatchObject({ ok: false, problem: "invalid" });
    const run = { type: "run", channel: 1, run: name, command: "true" };
    expect(parseOpener(JSON.stringify(run))).toMatchObject({ ok: false, problem: "invalid" });
    expect(parseOpener(JSON.stringify({ type: "kill", session: name })).ok).toBe(true);
  });
});
