import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type ExecResult,
  encodeAgent,
  encodeBare,
  encodeServer,
  parseAgentMessage,
  parseServerMessage,
} from "../../src/protocol/v1.ts";

const id = fc.string({ maxLength: 64 });
const bytes = fc.uint8Array({ maxLength: 300 });

describe("what a server says", () => {
  test("comes out of its encoder as its parser takes it", () => {
    fc.assert(
      fc.property(
        id,
        bytes,
        fc.boolean(),
        fc.nat(70_000),
        fc.nat(70_000),
        (session_id, data, new_session, cols, rows) => {
          const pairs: [string, unknown][] = [
            [
              encodeServer.shellStart({ session_id, new_session }),
              { type: "shell_start", data: { session_id, new_session } },
            ],
            [encodeServer.shellInput(session_id, data), { type: "shell_input", data: { session_id, data } }],
            [
              encodeServer.shellResize({ session_id, cols, rows }),
              { type: "shell_resize", data: { session_id, cols, rows } },
            ],
            [encodeServer.shellStopSession(session_id), { type: "shell_stop_session", data: { session_id } }],
            [encodeBare("shell_stop"), { type: "shell_stop" }],
            [encodeBare("ping"), { type: "ping" }],
          ];
          for (const [text, message] of pairs) expect(value(parseServerMessage(text))).toEqual(message);
        },
      ),
    );
  });

  test("is taken as older and newer servers say it", () => {
    for (const data of ["", ',"data":null', ',"data":{}', ',"data":{"session_id":"x","later":1}']) {
      expect(parseServerMessage(`{"type":"shell_start"${data}}`).ok).toBe(true);
      expect(parseServerMessage(`{"type":"shell_stop"${data}}`).ok).toBe(true);
      expect(parseServerMessage(`{"type":"ping"${data},"id":7}`).ok).toBe(true);
    }
    expect(value(parseServerMessage('{"type":"shell_input","data":{"data":"aGk="}}'))).toEqual({
      type: "shell_input",
      data: { session_id: "", data: new TextEncoder().encode("hi") },
    });
    expect(value(parseServerMessage('{"type":"exec","data":{"command":"id"}}'))).toEqual({
      type: "exec",
      data: { command: "id" },
    });
  });

  test("lets a nonsensical size through to the session, which ignores it with a warning", () => {
    for (const side of ["0", "-1", "70000", '"80"', "null", "1.5"]) {
      expect(
        parseServerMessage(`{"type":"shell_resize","data":{"session_id":"main","cols":${side},"rows":24}}`)
          .ok,
      ).toBe(true);
    }
  });

  test("carries an exec with every option", () => {
    const request = {
      command: "cat",
      id: "7",
      timeout_ms: 5,
      cwd: "/tmp",
      env: { A: "b" },
      stdin: "aGk=",
      omit_output: true,
    };
    expect(value(parseServerMessage(encodeServer.exec(request)))).toEqual({
      type: "exec",
      data: { ...request, stdin: new TextEncoder().encode("hi") },
    });
  });
});

describe("what an agent says", () => {
  test("comes out of its encoder as its parser takes it", () => {
    const exit = fc.record({
      exit_code: fc.option(fc.nat(255)),
      signal: fc.option(fc.constantFrom("SIGKILL", "SIGHUP")),
    });
    fc.assert(
      fc.property(id, bytes, fc.string(), exit, (session_id, data, error, exited) => {
        const pairs: [string, unknown][] = [
          [encodeAgent.shellOutput(session_id, data), { type: "shell_output", data: { session_id, data } }],
          [encodeAgent.shellStarting(session_id), { type: "shell_starting", data: { session_id } }],
          [encodeAgent.shellStarted(session_id), { type: "shell_started", data: { session_id } }],
          [
            encodeAgent.shellStopped(session_id, exited),
            { type: "shell_stopped", data: { session_id, ...exited } },
          ],
          [encodeAgent.shellError(session_id, error), { type: "shell_error", data: { session_id, error } }],
          [encodeBare("pong"), { type: "pong" }],
        ];
        for (const [text, message] of pairs) expect(value(parseAgentMessage(text))).toEqual(message);
      }),
    );
  });

  test("carries an exec result, bare as the contract has it and with everything of ours", () => {
    const bare: ExecResult = { command: "id", output: "uid=0\n", success: true };
    const full: ExecResult = {
      ...bare,
      success: false,
      error: "killed",
      id: "7",
      exit_code: null,
      signal: "SIGKILL",
      stdout: "aGk=",
      stderr: "",
      truncated: true,
      timed_out: true,
      duration_ms: 12.5,
    };
    for (const result of [bare, full]) {
      expect(value(parseAgentMessage(encodeAgent.execResult(result)))).toEqual({
        type: "exec_result",
        data: result,
      });
    }
  });

  test("is taken from an agent that knows nothing of our additions", () => {
    expect(parseAgentMessage('{"type":"shell_stopped","data":{"session_id":"main"}}').ok).toBe(true);
    expect(parseAgentMessage('{"type":"shell_error","data":{"error":"no pty"}}').ok).toBe(true);
    const info = {
      os: "linux",
      arch: "amd64",
      num_cpu: 2,
      hostname: "h",
      memory: { total: 1, available: 1, free: 1 },
      disk: { total: 1, free: 1, available: 1 },
      is_root: false,
      has_sudo: true,
      later: "x",
    };
    expect(parseAgentMessage(JSON.stringify({ type: "system_info", data: info })).ok).toBe(true);
  });
});

describe.each([
  ["parseServerMessage", parseServerMessage],
  ["parseAgentMessage", parseAgentMessage],
])("%s", (_, parse) => {
  test("never throws, and never takes what is not a message", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const parsed = parse(text);
        if (!parsed.ok) expect(parsed.reason).not.toContain("\n");
        expect(parsed.ok).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  test("never throws on a message whose fields are of any type", () => {
    const types = [
      "shell_start",
      "shell_input",
      "shell_resize",
      "shell_output",
      "exec",
      "exec_result",
      "stats",
      "system_info",
      "ping",
    ];
    const field = fc.oneof(fc.jsonValue(), fc.constantFrom("!!!!", "aGk", "x".repeat(300)));
    const data = fc.dictionary(
      fc.constantFrom(
        "session_id",
        "data",
        "cols",
        "rows",
        "command",
        "id",
        "stdin",
        "env",
        "timeout_ms",
        "__proto__",
        "memory",
      ),
      field,
    );
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.oneof(data, fc.jsonValue()), (type, content) => {
        const parsed = parse(JSON.stringify({ type, data: content }));
        if (!parsed.ok) expect(parsed.reason.length).toBeLessThanOrEqual(400);
      }),
      { numRuns: 2_000 },
    );
  });

  test("tells a type it does not know from a message that breaks the contract", () => {
    expect(parse('{"type":"shell_teleport","data":{}}')).toMatchObject({ ok: false, problem: "unknown" });
    expect(parse('{"type":"constructor"}')).toMatchObject({ ok: false, problem: "unknown" });
    expect(parse("{")).toMatchObject({ ok: false, problem: "invalid" });
    expect(parse("[]")).toMatchObject({ ok: false, problem: "invalid" });
    expect(parse('{"type":7}')).toMatchObject({ ok: false, problem: "invalid" });
    expect(parse('{"data":{}}')).toMatchObject({ ok: false, problem: "invalid" });
  });

  test("keeps a long type short in its reason", () => {
    const parsed = parse(JSON.stringify({ type: "x".repeat(100_000) }));
    expect(!parsed.ok && parsed.reason.length < 200).toBe(true);
  });
});

test("base64 that is none is invalid, and says where", () => {
  const parsed = parseServerMessage('{"type":"shell_input","data":{"session_id":"main","data":"%%%"}}');
  expect(parsed).toMatchObject({ ok: false, problem: "invalid" });
  expect(!parsed.ok && parsed.reason).toContain("data.data: not standard base64");
});

function value(parsed: { ok: true; value: unknown } | { ok: false; reason: string }): unknown {
  if (parsed.ok) return parsed.value;
  throw new Error(parsed.reason);
}
