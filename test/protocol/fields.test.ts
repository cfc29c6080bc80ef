import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { agentListBody, profileBody, registerBody, tokenListBody } from "../../src/protocol/http.ts";
import { EXEC_STREAM_BYTES } from "../../src/protocol/limits.ts";
import { parseAgentMessage, parseServerMessage } from "../../src/protocol/v1.ts";
import { parseToViewerMessage } from "../../src/protocol/v1-viewer.ts";
import { parseOpener, parseOwner } from "../../src/protocol/v2/control.ts";
import { COUNTS, LENGTHS } from "../../src/protocol/values.ts";

const INFO = {
  os: "linux",
  arch: "arm64",
  num_cpu: 4,
  hostname: "pi",
  memory: { total: 3, available: 2, free: 1 },
  disk: { total: 6, free: 5, available: 4 },
  is_root: false,
  has_sudo: true,
};
const STATS = { cpu_percent: 1, memory: 2, memory_limit: 3, disk_usage: 4, disk_limit: 5 };
const RESULT = { command: "id", output: "x", success: true };

describe("one field that is not valid does not lose its message", () => {
  const optional: [string, object, string[]][] = [
    [
      "system_info",
      INFO,
      ["is_root", "has_sudo", "distro", "region", "virtualization", "memory", "disk", "os"],
    ],
    ["stats", STATS, Object.keys(STATS)],
    [
      "exec_result",
      RESULT,
      ["error", "exit_code", "signal", "stdout", "stderr", "truncated", "timed_out", "duration_ms"],
    ],
    ["shell_stopped", { session_id: "main" }, ["exit_code", "signal"]],
  ];
  const rubbish = fc.oneof(fc.constant(Symbol.for("missing")), fc.constant({ a: [] }), fc.constant([[]]));

  test.each(optional)("of an agent: %s", (type, whole, fields) => {
    fc.assert(
      fc.property(fc.constantFrom(...fields), rubbish, (field, value) => {
        const data: Record<string, unknown> = { ...whole, [field]: value };
        if (typeof value === "symbol") delete data[field];
        const parsed = parseAgentMessage(JSON.stringify({ type, data }));
        if (!parsed.ok) throw new Error(parsed.reason);
        const { [field]: _, ...rest } = { ...whole } as Record<string, unknown>;
        expect(parsed.value).toMatchObject({ type, data: rest } as never);
      }),
    );
  });

  test("to a viewer, and in the answers of the API", () => {
    const stopped = '{"type":"shell_stopped","data":{"session_id":"main","exit_code":"3","signal":9}}';
    expect(parseToViewerMessage(stopped)).toMatchObject({ ok: true });
    expect(parseToViewerMessage('{"type":"stats","data":{"cpu_percent":"a lot"}}')).toMatchObject({
      ok: true,
    });
    const agent = { id: "a", name: "n", status: "online" };
    const list = [{ ...agent, tags: "x", stats: 7, system_info: { hostname: 7, os: "linux" } }, agent, {}, 7];
    expect(agentListBody.parse(list)).toMatchObject([{ ...agent, system_info: { os: "linux" } }, agent]);
    expect(profileBody.parse({ user: { id: "u", is_admin: "yes", name: "N" } })).toMatchObject({ name: "N" });
    expect(
      tokenListBody.parse({ tokens: [{ id: "t", token_prefix: "rexec_1", name: 7 }, null] }).tokens,
    ).toHaveLength(1);
  });

  test("but what says what is to be done is refused, never left out", () => {
    for (const field of [{ cwd: 7 }, { env: { A: 1 } }, { timeout_ms: "5" }, { stdin: "%" }, { id: {} }]) {
      const data = { command: "rm -r build", ...field };
      expect(parseServerMessage(JSON.stringify({ type: "exec", data })).ok).toBe(false);
      const run = { type: "run", channel: 1, run: "r", command: "x", ...field };
      if (!("stdin" in field || "id" in field)) expect(parseOpener(JSON.stringify(run)).ok).toBe(false);
    }
  });
});

describe("a text has a limit", () => {
  const long = "ä".repeat(300_000);

  test("what describes is cut there, and no surrogate pair with it", () => {
    const info = {
      ...INFO,
      hostname: `${"x".repeat(LENGTHS.hostname - 1)}😀${long}`,
      os: long,
      region: long,
    };
    const parsed = parseAgentMessage(JSON.stringify({ type: "system_info", data: info }));
    if (!parsed.ok || parsed.value.type !== "system_info") throw new Error("not taken");
    expect(parsed.value.data.hostname).toBe("x".repeat(LENGTHS.hostname - 1));
    expect(JSON.stringify(parsed.value).length).toBeLessThan(2_000);
    const error = parseAgentMessage(JSON.stringify({ type: "shell_error", data: { error: long } }));
    expect(JSON.stringify(error).length).toBeLessThan(5_000);
    const refused = parseOwner(JSON.stringify({ type: "refused", code: "failed", message: long }));
    expect(JSON.stringify(refused).length).toBeLessThan(5_000);
    const [agent] = agentListBody.parse([{ id: "a", name: long, status: long, tags: Array(99).fill(long) }]);
    expect(JSON.stringify(agent).length).toBeLessThan(10_000);
  });

  test("what names or orders is refused", () => {
    const bad = [
      { type: "shell_start", data: { session_id: long, new_session: true } },
      { type: "exec", data: { command: "x".repeat(LENGTHS.command + 1) } },
      { type: "exec", data: { command: "x", cwd: long } },
      { type: "exec", data: { command: "x", env: { A: long } } },
    ];
    for (const message of bad) expect(parseServerMessage(JSON.stringify(message)).ok).toBe(false);
    const env = Object.fromEntries(
      Array.from({ length: COUNTS.variables + 1 }, (_, each) => [`V${each}`, ""]),
    );
    expect(parseServerMessage(JSON.stringify({ type: "exec", data: { command: "x", env } })).ok).toBe(false);
    for (const name of ["", "  \t ", "a\nb", "\u001b[2J", "\u202egnp.exe", "x".repeat(129)])
      expect(registerBody.safeParse({ name }).success).toBe(false);
    expect(registerBody.safeParse({ name: "n", tags: ["a\u0007"] }).success).toBe(false);
    expect(registerBody.parse({ name: " n ", tags: ["", " a "], os: long })).toMatchObject({
      name: "n",
      tags: ["a"],
    });
  });

  test("the streams of a result are cut where no agent of ours goes, and marked so", () => {
    const stdout = "A".repeat(4 * Math.ceil(EXEC_STREAM_BYTES / 3) + 4);
    const parsed = parseAgentMessage(JSON.stringify({ type: "exec_result", data: { ...RESULT, stdout } }));
    if (!parsed.ok || parsed.value.type !== "exec_result") throw new Error("not taken");
    expect(parsed.value.data.truncated).toBe(true);
    expect(parsed.value.data.stdout?.length).toBeLessThan(stdout.length);
  });
});

test("a list has a limit, which is looked at before its entries; the first bad entry ends it", () => {
  const sessions = (entries: unknown[]) =>
    parseOwner(JSON.stringify({ type: "sessions", sessions: entries }));
  const many = sessions(Array(COUNTS.sessions + 1).fill({}));
  expect(many).toMatchObject({ ok: false, reason: expect.stringContaining("at most 8192 entries") });
  const bad = sessions(Array(COUNTS.sessions).fill({}));
  expect(!bad.ok && bad.reason).toMatch(/^sessions: sessions\.0\.session: [^;]+$/);
  expect(agentListBody.parse(Array(200_000).fill({}))).toEqual([]);
});
