import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  encodeToViewer,
  encodeViewer,
  parseToViewerMessage,
  parseViewerMessage,
} from "../../src/protocol/v1-viewer.ts";

describe("what a viewer says", () => {
  test("is taken as the contract has it: sizes at the top level, exec under data", () => {
    expect(parseViewerMessage('{"type":"input","data":"ls\\n"}')).toEqual({
      ok: true,
      value: { type: "input", data: "ls\n" },
    });
    expect(parseViewerMessage(encodeViewer.resize(80, 24))).toEqual({
      ok: true,
      value: { type: "resize", cols: 80, rows: 24 },
    });
    expect(parseViewerMessage(encodeViewer.exec({ command: "id" }))).toEqual({
      ok: true,
      value: { type: "exec", data: { command: "id" } },
    });
    expect(parseViewerMessage(encodeViewer.ping())).toEqual({ ok: true, value: { type: "ping" } });
  });

  test("is refused without harm where it is anything else", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseViewerMessage(text).ok).toBe(false);
        expect(parseToViewerMessage(text).ok).toBe(false);
      }),
    );
  });
});

describe("what a viewer hears", () => {
  test("comes out of its encoder as its parser takes it, any text unharmed", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (data, session_id) => {
        const pairs: [string, unknown][] = [
          [encodeToViewer.output(data), { type: "output", data }],
          [encodeToViewer.shellStarting(session_id), { type: "shell_starting", data: { session_id } }],
          [encodeToViewer.shellStarted(session_id), { type: "shell_started", data: { session_id } }],
          [
            encodeToViewer.shellStopped({ session_id, exit_code: 3 }),
            { type: "shell_stopped", data: { session_id, exit_code: 3 } },
          ],
          [
            encodeToViewer.shellError(session_id, data),
            { type: "shell_error", data: { session_id, error: data } },
          ],
          [encodeToViewer.pong(), { type: "pong" }],
        ];
        for (const [text, message] of pairs)
          expect(parseToViewerMessage(text)).toEqual({ ok: true, value: message } as never);
      }),
    );
  });
});
