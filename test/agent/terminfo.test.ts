import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { terminalVariables } from "../../src/agent/machine/terminfo.ts";
import { parseOpener } from "../../src/protocol/v2/control.ts";

let folder: string;
const entry = (...path: string[]) => {
  const file = join(folder, ...path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "");
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-terminfo-"));
  entry("system", "t", "tmux-256color");
  entry("system", "w", "wyse50");
  entry("hex", "78", "xterm-kitty");
  entry("home", ".terminfo", "f", "foot");
  entry("own", "a", "alacritty");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const termOf = (term: string | undefined, env: Record<string, string> = {}) =>
  terminalVariables({ term }, env, [join(folder, "system")]).TERM;

describe("the terminal of a shell", () => {
  test("is the viewer's where the machine knows it, by letter or by number", () => {
    expect(termOf("tmux-256color")).toBe("tmux-256color");
    expect(termOf("xterm-kitty", { TERMINFO_DIRS: `:${folder}/hex:` })).toBe("xterm-kitty");
    expect(termOf("foot", { HOME: `${folder}/home` })).toBe("foot");
    expect(termOf("alacritty", { TERMINFO: `${folder}/own` })).toBe("alacritty");
    expect(termOf("dumb")).toBe("dumb");
  });

  test("is the usual one where it does not, or speaks another language, or says nothing", () => {
    for (const term of ["xterm-kitty", "foot", "wyse50", "xterm", undefined])
      expect(termOf(term)).toBe("xterm-256color");
    expect(terminalVariables({ term: "xterm-kitty" }, {}, ["/nonexistent"]).TERM).toBe("xterm-256color");
  });

  test("brings its colours, a dumb one none", () => {
    expect(terminalVariables({ colorterm: "truecolor" }, {}).COLORTERM).toBe("truecolor");
    expect(terminalVariables({ term: "dumb", colorterm: "truecolor" }, {})).toEqual({ TERM: "dumb" });
    expect(terminalVariables({}, {})).toEqual({ TERM: "xterm-256color" });
  });
});

describe("a terminal's name on the wire", () => {
  const attach = (more: object) =>
    parseOpener(JSON.stringify({ type: "attach", channel: 0, session: "main", viewer: "v", ...more }));

  test.each(["../../etc/passwd", "a/b", "", ".", "x".repeat(65), "a\nb", "é", " ", 7, null, {}])(
    "is as good as none where it is %p, and keeps nobody out",
    (term) => {
      const parsed = attach({ term, colorterm: term });
      expect(parsed.ok).toBe(true);
      if (parsed.ok && parsed.value.type === "attach")
        expect([parsed.value.term, parsed.value.colorterm]).toEqual([undefined, undefined]);
    },
  );

  test.each([
    "xterm-256color",
    "screen.xterm-256color",
    "x".repeat(64),
    "rxvt-unicode-256color",
    "st-256color+x",
  ])("is taken as it is: %s", (term) => {
    expect(attach({ term })).toMatchObject({ ok: true, value: { term } });
  });
});
