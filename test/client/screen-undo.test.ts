import { describe, expect, test } from "bun:test";
import { ScreenModes } from "../../src/client/terminal/screen-modes.ts";
import { Beyond } from "../../src/screen/beyond.ts";
import { designated } from "../../src/screen/charsets.ts";
import { makeTerminal } from "../../src/screen/engine.ts";
import { keyboard, modes, region, tabs } from "../../src/screen/state.ts";
import { coreOf } from "../../src/screen/xterm-core.ts";
import { Prng } from "../chaos/prng.ts";
import { randomStream } from "../support/terminal-stream.ts";

/** What undoes a stream, given in pieces of `size` bytes. */
function undo(stream: string, size = stream.length || 1): string {
  const tracker = new ScreenModes();
  const bytes = Buffer.from(stream);
  for (let at = 0; at < bytes.length; at += size) tracker.push(bytes.subarray(at, at + size));
  return tracker.restore();
}

const OPEN = "\x18\x1b\\";

describe("what a program leaves behind when it ends in the middle", () => {
  const left: [string, string, string][] = [
    ["autowrap off", "\x1b[?7l", "\x1b[?7h"],
    ["auto-repeat off", "\x1b[?8l", "\x1b[?8h"],
    ["insert mode", "\x1b[4h", "\x1b[4l"],
    ["new line mode", "\x1b[20h", "\x1b[20l"],
    ["a locked keyboard", "\x1b[2h", "\x1b[2l"],
    ["local echo", "\x1b[12l", "\x1b[12h"],
    ["left and right margins", "\x1b[?69h\x1b[5;10s", "\x1b[?69l"],
    ["size reports", "\x1b[?2048h", "\x1b[?2048l"],
    ["win32 keys", "\x1b[?9001h", "\x1b[?9001l"],
    ["reverse wraparound", "\x1b[?45h", "\x1b[?45l"],
    ["an application keypad by its mode", "\x1b[?66h", "\x1b[?66l"],
    ["synchronized output", "\x1b[?2026h", "\x1b[?2026l"],
    ["shift-out", "abc\x0edef", "\x0f"],
    ["a locking shift", "\x1bn", "\x0f"],
    ["line drawing in G1", "\x1b)0", "\x1b)B"],
    ["the palette", "\x1b]4;1;#ff0000\x07", "\x1b]104\x1b\\"],
    ["special colours", "\x1b]5;0;red\x07", "\x1b]105\x1b\\"],
    ["the foreground", "\x1b]10;red\x1b\\", "\x1b]110\x1b\\"],
    ["the background", "\x1b]11;#123456\x07", "\x1b]111\x1b\\"],
    ["the cursor's colour", "\x1b]12;blue\x07", "\x1b]112\x1b\\"],
    ["the selection's colour", "\x1b]17;blue\x07", "\x1b]117\x1b\\"],
    ["an open link", "\x1b]8;id=1;https://example.com\x1b\\text", "\x1b]8;;\x1b\\"],
    ["the pointer's shape", "\x1b]22;wait\x1b\\", "\x1b]22;\x1b\\"],
    ["a progress bar", "\x1b]9;4;1;50\x07", "\x1b]9;4;0\x1b\\"],
    ["a title that was put aside", "\x1b[22;2t\x1b]2;vim\x07", "\x1b[23;2t"],
    ["kitty's flags set without a level", "\x1b[=5;1u", "\x1b[=0u"],
    ["other keys of another kind", "\x1b[>1;3m", "\x1b[>1m"],
    ["protected characters", '\x1b[1"q', '\x1b[0"q'],
    ["tab stops", "\x1b[3g", "\x1b[9G\x1bH"],
  ];
  test.each(left)("%s", (_, stream, expected) => {
    for (const size of [1, 2, 3, 7, stream.length]) expect(undo(stream, size)).toContain(expected);
  });

  const unfinished: [string, string][] = [
    ["DCS", "\x1bPq#0;2;0;0;0~~~~"],
    ["a long DCS", `\x1bP${"q".repeat(10_000)}`],
    ["a title", "\x1b]0;half a ti"],
    ["a link", "\x1b]8;;https://exa"],
    ["APC", "\x1b_Gi=1;AAAA"],
    ["PM", "\x1b^secret"],
    ["SOS", "\x1bXsecret"],
    ["CSI", "\x1b[38;5"],
    ["ESC", "text\x1b"],
    ["a string's end", "\x1b]0;title\x1b"],
  ];
  test.each(unfinished)("%s that was never finished is ended first", (_, stream) => {
    for (const size of [1, 3, stream.length]) {
      expect(undo(stream, size)).toBe(OPEN);
      expect(undo(`\x1b[?1049h\x1b[?25l${stream}`, size)).toStartWith(`${OPEN}\x1b[?1049l`);
    }
  });

  test.each([
    ["a prompt", "\x1bPq unfinished\x1b[?2004h\x1b[?2004l$ "],
    ["another string", "\x1bP+q\x1b]0;title\x07text"],
    ["a cancel", "\x1b_Gi=1\x18text"],
    ["a substitute", "\x1bPq\x1atext"],
    ["an escape that is no end", "\x1b^secret\x1bc\r\n"],
  ])("a string that %s came into is ended too: for tmux and screen only ST does that", (_, stream) => {
    for (const size of [1, 3, stream.length]) {
      expect(undo(stream, size)).toStartWith(OPEN);
      expect(undo(`${stream}\x1b\\`, size)).toBe("");
    }
  });

  test("and not where it was undone by the program", () => {
    const tidy = [
      "\x1b[?7l\x1b[?7h\x1b[4h\x1b[4l\x1b[20h\x1b[20l\x1b[?69h\x1b[?69l\x0eq\x0f\x1b)0\x1b)B",
      "\x1b]4;1;red\x07\x1b]104\x07\x1b]10;red\x07\x1b]110\x07\x1b]11;?\x07\x1b]8;;http://a\x07b\x1b]8;;\x07",
      "\x1b[22;2t\x1b[23;2t\x1bPq~~\x1b\\\x1b[>4;2m\x1b[>4m\x1b]9;4;1;1\x07\x1b]9;4;0\x07",
    ].join("text");
    for (const size of [1, 4, tidy.length]) expect(undo(tidy, size)).toBe("");
  });

  test("what stands inside of a string switches nothing on", () => {
    expect(undo("\x1b]0;[?1049h[?25l\x07")).toBe("");
    expect(undo("\x1bP[?1049h\x1b\\")).toBe("");
  });

  test("what only some terminals save with the cursor goes off before the alternate screen does, too", () => {
    const text = undo("\x1b[?1049h\x1b[2;9r\x1b[?6h\x1b[?7l\x1b)0\x0e");
    const end = text.indexOf("\x1b[?1049l");
    for (const off of ["\x1b[?6l", "\x1b[?7h", "\x0f", "\x1b)B"]) {
      expect(text).toContain(off);
      expect(text.indexOf(off)).toBeLessThan(end);
    }
    // Behind it, the end of an origin would take the cursor to the top of all that was shown before.
    expect(text.lastIndexOf("\x1b[?6l")).toBeLessThan(end);
    expect(undo("\x1b[2;9r\x1b[?6h\x1b[?1049h")).toEndWith("\x1b[?6l\x1b[999B\x1b[0m\x1b(B");
    expect(undo("\x1b[?47h\x1b[?6h")).toContain("\x1b[?6l\x1b[999B");
  });

  test("levels of keys are ended on the screen that they belong to", () => {
    const text = undo("\x1b[>1u\x1b[?1049h\x1b[>5u\x1b[>5u");
    expect(text.indexOf("\x1b[<2u")).toBeLessThan(text.indexOf("\x1b[?1049l"));
    expect(text.indexOf("\x1b[<1u")).toBeGreaterThan(text.indexOf("\x1b[?1049l"));
  });
});

test("whatever was written, a terminal is at rest afterwards", () => {
  for (let seed = 0; seed < 1_500; seed += 1) {
    const random = new Prng(seed);
    const { size, parts } = randomStream(random, 1 + random.whole(0, 60));
    const terminal = makeTerminal(size, 100);
    const core = coreOf(terminal);
    const beyond = new Beyond(terminal, core);
    const tracker = new ScreenModes();
    for (const part of parts) {
      if ("size" in part) continue;
      const bytes = part.bytes.subarray(
        0,
        random.whole(0, 3) === 0 ? random.whole(0, part.bytes.length) : undefined,
      );
      core.writeSync(bytes);
      tracker.push(bytes);
    }
    core.writeSync(tracker.ending(core.cols));
    const { active, normal } = core.buffers;
    const { decPrivateModes, kittyKeyboard } = core.coreService;
    const { origin, wraparound, synchronizedOutput } = decPrivateModes;
    expect({
      seed,
      isNormal: active === normal,
      modes: modes(core),
      // Terminals differ in the others, so that they are left as they are.
      beyond: beyond.serialize().replace(/\x1b\[\?(?:12|67|1034|1036|1039|1042|2027)[hl]/g, ""),
      region: region(core, active),
      tabs: tabs(core, active),
      keys: keyboard([], kittyKeyboard.flags),
      insert: core.coreService.modes.insertMode,
      printing: { origin, wraparound, synchronizedOutput, level: core._charsetService.glevel },
      sets: designated(core._charsetService.charsets),
      link: core._inputHandler._curAttrData.extended.urlId,
    }).toEqual({
      seed,
      isNormal: true,
      modes: "",
      beyond: "",
      region: "\x1b[r",
      tabs: "",
      keys: "",
      insert: false,
      printing: { origin: false, wraparound: true, synchronizedOutput: false, level: 0 },
      sets: "",
      link: 0,
    });
    terminal.dispose();
  }
}, 60_000);
