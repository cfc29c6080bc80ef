import { describe, expect, test } from "bun:test";
import { pickAgent } from "../../src/client/resolve.ts";
import { RexecError } from "../../src/lib/errors.ts";
import { agent } from "./support/v1-server.ts";

const agents = [
  agent("web", { id: "aaaa1111-0000" }),
  agent("web-1", { id: "bbbb2222-0000" }),
  agent("web-2", { id: "bbbb3333-0000", status: "offline" }),
  agent("Database", { id: "cccc4444-0000" }),
  agent("aaaa", { id: "dddd5555-0000" }),
];

function failure(reference: string, among = agents): RexecError {
  try {
    pickAgent(reference, among);
  } catch (error) {
    if (error instanceof RexecError) return error;
  }
  throw new Error(`${reference} was found`);
}

describe("a name", () => {
  const found: [string, string][] = [
    ["aaaa1111-0000", "web"],
    ["agent:cccc4444-0000", "Database"],
    ["web", "web"],
    ["web-1", "web-1"],
    ["Data", "Database"],
    ["data", "Database"],
    ["DATABASE", "Database"],
    ["cccc", "Database"],
    ["agent:cccc", "Database"],
    ["aaaa", "aaaa"],
    ["aaaa1", "web"],
  ];
  test.each(found)("%s finds its machine", (reference, name) => {
    expect(pickAgent(reference, agents).name).toBe(name);
  });

  test("that fits several is refused with the candidates", () => {
    const error = failure("web-");
    expect(error).toMatchObject({ code: "ambiguous", exitCode: 2 });
    expect(error.message).toContain("web-1 (bbbb2222-0000, online), web-2 (bbbb3333-0000, offline)");
    expect(failure("bbbb").code).toBe("ambiguous");
    expect(failure("x", [agent("x", { id: "1" }), agent("x", { id: "2" })]).code).toBe("ambiguous");
  });

  test("that fits too many lists the first of them", () => {
    const many = Array.from({ length: 30 }, (_, index) => agent(`n${index}`, { id: `${index}` }));
    expect(failure("n", many).message).toContain("and 22 more");
  });

  test("that fits none comes with a suggestion", () => {
    expect(failure("wbe-1")).toMatchObject({ code: "unknown_agent", exitCode: 4 });
    expect(failure("wbe-1").hint).toContain("did you mean web-1?");
    expect(failure("bbb").code).toBe("unknown_agent");
    expect(failure("").code).toBe("unknown_agent");
    expect(failure("web", []).hint).toContain("rexec-agent register");
  });
});
