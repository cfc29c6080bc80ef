import { describe, expect, test } from "bun:test";
import { exitCodeFromText, exitCodeOf } from "../../src/client/run/exit-code.ts";

describe("a remote exit", () => {
  test("is the code, or 128 and the signal's number", () => {
    expect(exitCodeOf({ exit_code: 0 })).toBe(0);
    expect(exitCodeOf({ exit_code: 255 })).toBe(255);
    expect(exitCodeOf({ exit_code: null, signal: "SIGKILL" })).toBe(137);
    expect(exitCodeOf({ exit_code: null, signal: "TERM" })).toBe(143);
    expect(exitCodeOf({ exit_code: null, signal: "SIGRTMIN+16" })).toBe(178);
    expect(exitCodeOf({ exit_code: null, signal: "34" })).toBe(162);
    expect(exitCodeOf({ exit_code: null, signal: null })).toBeNull();
    expect(exitCodeOf({})).toBeNull();
  });

  test("is read from the words of other agents", () => {
    expect(exitCodeFromText("exit status 42")).toBe(42);
    expect(exitCodeFromText("command failed: exit status 127")).toBe(127);
    expect(exitCodeFromText("signal: killed")).toBe(137);
    expect(exitCodeFromText("signal: segmentation fault (core dumped)")).toBe(139);
    expect(exitCodeFromText("signal: terminated")).toBe(143);
    expect(exitCodeFromText("signal: signal 40")).toBe(168);
    expect(exitCodeFromText("exec: no such file")).toBeNull();
  });
});
