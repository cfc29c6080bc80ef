import { describe, expect, test } from "bun:test";
import { Terminal } from "@xterm/headless";
import fc from "fast-check";
import { ReplayFilter } from "../../src/lib/replay.ts";

/** A terminal that answers all it can, after it was shown this. */
async function shown(...pieces: string[]): Promise<{ screen: string[]; answers: string; cursor: number[] }> {
  const windowOptions = { getWinSizePixels: true, getCellSizePixels: true, getWinSizeChars: true };
  const terminal = new Terminal({
    cols: 40,
    rows: 8,
    scrollback: 100,
    allowProposedApi: true,
    logLevel: "off",
    windowOptions,
  });
  let answers = "";
  terminal.onData((data) => {
    answers += data;
  });
  terminal.onBinary((data) => {
    answers += data;
  });
  for (const piece of pieces) await new Promise<void>((resolve) => terminal.write(piece, resolve));
  const { active } = terminal.buffer;
  const screen = Array.from(
    { length: active.length },
    (_, y) => active.getLine(y)?.translateToString() ?? "",
  );
  const cursor = [active.cursorX, active.cursorY];
  terminal.dispose();
  return { screen, answers, cursor };
}

function filtered(...pieces: string[]): string {
  const filter = new ReplayFilter();
  return pieces.map((piece) => filter.push(piece)).join("") + filter.end();
}

/** Text cut at these places. */
function cutAt(text: string, places: number[]): string[] {
  const ends = [...places.map((place) => place % (text.length + 1)), text.length].sort((a, b) => a - b);
  return ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end));
}

const QUESTIONS: [string, string][] = [
  ["DA1", "\x1b[c"],
  ["DA1 with a parameter", "\x1b[0c"],
  ["DA2", "\x1b[>c"],
  ["DA3", "\x1b[=c"],
  ["DECID", "\x1bZ"],
  ["DECID as C1", "\x9a"],
  ["ENQ", "\x05"],
  ["DSR", "\x1b[5n"],
  ["CPR", "\x1b[6n"],
  ["DECXCPR", "\x1b[?6n"],
  ["the colour scheme", "\x1b[?996n"],
  ["the printer", "\x1b[?15n"],
  ["DECRQM", "\x1b[4$p"],
  ["DECRQM, private", "\x1b[?2026$p"],
  ["DECRQSS", "\x1bP$qm\x1b\\"],
  ["XTGETTCAP", "\x1bP+q544e\x1b\\"],
  ["XTVERSION", "\x1b[>q"],
  ["XTVERSION with a parameter", "\x1b[>0q"],
  ["kitty's keyboard", "\x1b[?u"],
  ["kitty's graphics", "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"],
  ["a picture that is confirmed", "\x1b_Gi=31,a=T,f=100;AAAA\x1b\\"],
  ["a foreground colour", "\x1b]10;?\x07"],
  ["a background colour, by ST", "\x1b]11;?\x1b\\"],
  ["two colours at once", "\x1b]10;#fff;?\x07"],
  ["a colour of the palette", "\x1b]4;1;?\x07"],
  ["a special colour", "\x1b]5;0;?\x07"],
  ["kitty's colours", "\x1b]21;foreground=?\x07"],
  ["the clipboard", "\x1b]52;c;?\x07"],
  ["the clipboard of kitty", "\x1b]5522;type=read;\x07"],
  ["the size of iTerm's cells", "\x1b]1337;ReportCellSize\x07"],
  ["the pointer's shape", "\x1b]22;?__current__\x07"],
  ["the window's size in pixels", "\x1b[14t"],
  ["the size of a cell", "\x1b[16t"],
  ["the size in characters", "\x1b[18t"],
  ["the screen's size", "\x1b[19t"],
  ["the icon's title", "\x1b[20t"],
  ["the title", "\x1b[21t"],
  ["the state of the window", "\x1b[11t"],
  ["its place", "\x1b[13;2t"],
  ["DECREQTPARM", "\x1b[x"],
  ["DECRQPSR", "\x1b[1$w"],
  ["DECRQCRA", "\x1b[1;1;1;1;5;5*y"],
  ["DECRQTSR", "\x1b[1$u"],
  ["DECRQUPSS", "\x1b[&u"],
  ["DECRQLP", "\x1b['|"],
  ["XTREPORTSGR", "\x1b[1;1;1;1#|"],
  ["XTQMODKEYS", "\x1b[?4m"],
  ["XTSMGRAPHICS", "\x1b[?1;1;0S"],
  ["a report of each size", "\x1b[?2048h\x1b[?2048l"],
  ["the focus", "\x1b[?1004h\x1b[?1004l"],
  ["wrapped for tmux", "\x1bPtmux;\x1b\x1b[6n\x1b\\"],
  ["CPR as C1", "\x9b6n"],
  ["a colour as C1", "\x9d11;?\x9c"],
  ["DECRQSS as C1", "\x90$qm\x9c"],
  ["with a control in it", "\x1b[6\x00n"],
  ["with a line end in it", "\x1b[\r6n"],
  ["with DEL in it", "\x1b[6\x7fn"],
  ["with leading zeros", "\x1b[006n"],
  ["in an aborted one", "\x1b[\x1b[6n6n"],
  ["around one", "\x1b\x1b[6n[6n"],
  ["behind an aborted string", "\x1b]0;a\x18\x1b[6n"],
  ["behind a string without an end", "\x1b]0;a\x1b[6n"],
];

describe("a past that is shown again", () => {
  test.each(QUESTIONS)("does not ask for %s", async (_, question) => {
    for (let cut = 0; cut <= question.length; cut += 1) {
      const text = filtered(`a${question.slice(0, cut)}`, `${question.slice(cut)}b`);
      expect((await shown(text)).answers).toBe("");
      expect(text).not.toMatch(/\x1b\[6n|\?\x07|\?\x1b/);
    }
  });

  test("asks again what it was asked where nothing is filtered, so that this test can fail", async () => {
    const all = await shown(QUESTIONS.map(([, question]) => question).join("x"));
    expect(all.answers.length).toBeGreaterThan(50);
  });

  test("keeps what draws: attributes, links, titles, colours, sixels, charsets", () => {
    const drawn =
      "\x1b[1;38:2::1:2:3mX\x1b]8;;http://a/?b=c\x07link\x1b]8;;\x07\x1b]0;who?\x1b\\\x1b]4;1;#fff\x07\x1bP0;1q#0!10~\x1b\\\x1b(0q\x1b(B\x1b[?1049h\x9b31m";
    expect(filtered(drawn)).toBe(drawn);
  });

  test("sets modes of mouse, keys and focus once, at its end, as they were left", () => {
    const text = filtered("\x1b[?1004h\x1b[?1049;1000;1006hA\x1b[?1000l\x1b[?2004hB");
    expect(text).toBe("\x1b[?1049hAB\x1b[?1004h\x1b[?1006h\x1b[?1000l\x1b[?2004h");
  });

  test("leaves no margins of another terminal behind, and the cursor where it was", async () => {
    const past = "one\r\ntwo\x1b[2;5r\x1b[4;3Hthree";
    const terminal = await shown(filtered(past), "\x1b[8;1H\r\nlast");
    expect(terminal.screen.at(-1)).toContain("last");
    expect((await shown(filtered(past))).cursor).toEqual((await shown(past)).cursor);
  });

  test("ends with the beginning of a sequence whose rest is still to come", () => {
    expect(filtered("text\x1b[3")).toBe("text\x1b[3");
    expect(filtered("text\x1b]0;ti")).toBe("text\x1b]0;ti");
    expect(filtered(`text\x1bP${"$q".repeat(300_000)}`)).toBe("text\x1bP");
  });

  test("is the same however it is cut, answers nothing, and prints the same: any stream", async () => {
    const noise = fc.constantFrom(
      ..."\x1b [ ] P _ ^ X ? > = ; : $ + ! ' \" # * 0 1 2 4 5 6 c n t q p u x y r s h l m J H A \\ \x07 \x18 \x1a \x05 \r \n \b \x7f \x84 \x85 \x90 \x9b \x9c \x9d \x9f é 漢".split(
        " ",
      ),
    );
    const piece = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...QUESTIONS.map(([, question]) => question)) },
      { weight: 3, arbitrary: fc.string({ maxLength: 6 }) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          "\x1b[31m",
          "\x1b[2;3H",
          "\r\n",
          "\x1b[K",
          "\x1b7",
          "\x1b8",
          "\x1b]2;t\x07",
        ),
      },
      { weight: 2, arbitrary: noise },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 25 }),
        fc.array(fc.nat(500), { maxLength: 5 }),
        async (pieces, cuts) => {
          const stream = pieces.join("");
          const whole = filtered(stream);
          expect(filtered(...cutAt(stream, cuts))).toBe(whole);
          const [before, after] = [await shown(stream), await shown(whole)];
          expect(after.answers).toBe("");
          expect(after.screen).toEqual(before.screen);
          expect(after.cursor).toEqual(before.cursor);
        },
      ),
      { numRuns: Number(Bun.env.REPLAY_RUNS ?? 1_500), seed: 8 },
    );
  }, 120_000);
});
