import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeResult } from "../../src/agent/v1/result-size.ts";
import { EXEC_STREAM_BYTES, LARGEST_FRAME_BYTES, RESULT_MESSAGE_BYTES } from "../../src/protocol/limits.ts";

const base = { command: "c", output: "", success: true };
const zeros = (bytes: number) => new Uint8Array(bytes).toBase64();

describe("a result as a message", () => {
  test("carries one full stream as it is", () => {
    const stdout = zeros(EXEC_STREAM_BYTES);
    const { data } = JSON.parse(encodeResult({ ...base, id: "a", stdout, stderr: zeros(100) }));
    expect(data.stdout).toBe(stdout);
    expect(data.truncated).toBeUndefined();
  });

  test("is cut to what a gateway takes, the small stream whole: all full, each byte of the text escaped", () => {
    const full = { output: "\u0001".repeat(EXEC_STREAM_BYTES), stdout: zeros(EXEC_STREAM_BYTES) };
    const frame = encodeResult({ ...base, ...full, id: "a", stderr: zeros(1000) });
    expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(RESULT_MESSAGE_BYTES);
    expect(RESULT_MESSAGE_BYTES).toBeLessThan(LARGEST_FRAME_BYTES);
    const { data } = JSON.parse(frame);
    expect(data).toMatchObject({ truncated: true, stderr: zeros(1000) });
    expect(Uint8Array.fromBase64(data.stdout).length).toBeGreaterThan(5_000_000);
    expect(data.output.length).toBeGreaterThan(1_000_000);
  });

  test("fits whatever is in it, and begins as it did", () => {
    const text = fc.string({ unit: "binary", maxLength: 3_000 });
    fc.assert(
      fc.property(text, text, fc.uint8Array({ maxLength: 3_000 }), (output, command, bytes) => {
        const stdout = bytes.toBase64();
        const most = 66_000 + Buffer.byteLength(command);
        const frame = encodeResult({ ...base, output, command, stdout }, most);
        expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(most);
        const { data } = JSON.parse(frame);
        expect(stdout).toStartWith(data.stdout);
        Uint8Array.fromBase64(data.stdout, { lastChunkHandling: "strict" });
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});
