import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EscapeFilter } from "../../src/client/terminal/escape.ts";
import { parseEscapeKey } from "../../src/client/terminal/escape-key.ts";
import { UsageError } from "../../src/lib/errors.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

/** What passes, and what is left unread behind the leaving key (null: it never came). */
function typed(...chunks: string[]): { sent: string; left: boolean } {
  const filter = new EscapeFilter();
  let sent = "";
  for (const chunk of chunks) {
    const { data, leave } = filter.push(bytes(chunk), 0);
    sent += Buffer.from(data).toString("latin1");
    if (leave) return { sent, left: true };
  }
  return { sent, left: false };
}

describe("the key that leaves", () => {
  test("is Ctrl+], wherever it stands; what was typed before it is sent", () => {
    expect(typed("\x1d")).toEqual({ sent: "", left: true });
    expect(typed("ls\r", "ab\x1dcd")).toEqual({ sent: "ls\rab", left: true });
  });

  test("is known in the longer codes of kitty and xterm, with and without lock keys", () => {
    for (const code of ["\x1b[93;5u", "\x1b[93;69u", "\x1b[93;133u", "\x1b[93;5:1u", "\x1b[27;5;93~"]) {
      expect(typed(`x${code}y`)).toEqual({ sent: "x", left: true });
    }
    // Its release, and the same key with other modifiers.
    for (const code of ["\x1b[93;5:3u", "\x1b[93;6u", "\x1b[93u", "\x1b[91;5u"]) {
      expect(typed(code)).toEqual({ sent: code, left: false });
    }
  });

  test("is data inside a bracketed paste, and the key again after it", () => {
    expect(typed("\x1b[200~a\x1db\x1b[201~")).toEqual({ sent: "\x1b[200~a\x1db\x1b[201~", left: false });
    expect(typed("\x1b[200~a\x1db\x1b[201~c\x1d")).toEqual({ sent: "\x1b[200~a\x1db\x1b[201~c", left: true });
    expect(typed("\x1d\x1b[200~")).toEqual({ sent: "", left: true });
  });

  test("is data in a paste whose marks are cut anywhere", () => {
    const text = "a\x1b[200~b\x1dc\x1b[201~d";
    for (let one = 0; one <= text.length; one += 1) {
      for (let two = one; two <= text.length; two += 1) {
        const cut = [text.slice(0, one), text.slice(one, two), text.slice(two)];
        expect(typed(...cut, "\x1d")).toEqual({ sent: text, left: true });
      }
    }
  });

  test("works again after a paste that never ended", () => {
    const filter = new EscapeFilter();
    expect(filter.push(bytes("\x1b[200~lost"), 0).leave).toBe(false);
    expect(filter.push(bytes("\x1d"), 500).leave).toBe(false);
    expect(filter.push(bytes("\x1d"), 5_000).leave).toBe(true);
  });
});

test("no other byte is changed, held back or lost, however it is cut", () => {
  const anything = fc.uint8Array({ maxLength: 40 }).map((chunk) => chunk.filter((byte) => byte !== 0x1d));
  const marks = fc.constantFrom("\x1b", "\x1b[", "\x1b[200~", "\x1b[201~", "\x1b[93;").map(bytes);
  fc.assert(
    fc.property(fc.array(fc.oneof(anything, marks)), (chunks) => {
      const filter = new EscapeFilter();
      for (const chunk of chunks) {
        // "93;5u" may come together from random parts: then it is the key.
        const { data, leave } = filter.push(chunk, 0);
        if (leave) return;
        expect(Buffer.from(data).equals(Buffer.from(chunk))).toBe(true);
      }
    }),
  );
});

describe("another key", () => {
  const named: [string, string, string][] = [
    ["^]", "Ctrl+]", "\x1d"],
    ["ctrl-a", "Ctrl+A", "\x01"],
    ["Ctrl+\\", "Ctrl+\\", "\x1c"],
    ["C-t", "Ctrl+T", "\x14"],
    ["^_", "Ctrl+_", "\x1f"],
    ["^@", "Ctrl+@", "\0"],
    ["~", "~", "~"],
    ["Q", "Q", "Q"],
  ];
  test.each(named)("is written %p, and read as %s", (text, name, sent) => {
    const key = parseEscapeKey(text);
    expect(key?.name).toBe(name);
    const filter = new EscapeFilter(key);
    const { data, leave } = filter.push(bytes(`ab${sent}cd`), 0);
    expect({ data: Buffer.from(data).toString(), leave }).toEqual({ data: "ab", leave: true });
    // The usual one is a key like any other then.
    if (sent !== "\x1d") expect(filter.push(bytes("\x1d"), 0).leave).toBe(false);
  });

  test("is found in longer codes, too", () => {
    const filter = new EscapeFilter(parseEscapeKey("^a"));
    expect(filter.push(bytes("\x1b[97;5u"), 0).leave).toBe(true);
    expect(filter.push(bytes("\x1b[93;5u"), 0).leave).toBe(false);
  });

  test("is none: nothing leaves", () => {
    const filter = new EscapeFilter(parseEscapeKey("none"));
    const { data, leave } = filter.push(bytes("\x1d\x01~\x1b[93;5u"), 0);
    expect({ data: Buffer.from(data).toString(), leave }).toEqual({
      data: "\x1d\x01~\x1b[93;5u",
      leave: false,
    });
  });

  test.each(["", "^[", "^M", "^I", "^J", "ab", "ctrl-", "ctrl-1", "é", " ", "alt-x"])(
    "cannot be %p",
    (text) => {
      expect(() => parseEscapeKey(text)).toThrow(UsageError);
    },
  );
});

describe("the key twice", () => {
  const twice: [string, string][] = [
    ["\x1d\x1d", "\x1d"],
    ["a\x1d\x1db", "a\x1db"],
    ["\x1d\x1d\x1d\x1d", "\x1d\x1d"],
    ["\x1b[93;5u\x1b[93;5u", "\x1b[93;5u"],
    ["\x1b[93;5u\x1b[93;5:3u\x1b[93;5u", "\x1b[93;5u"],
  ];
  test.each(twice)("is the key once, for the program: %p", (text, sent) => {
    expect(typed(text)).toEqual({ sent, left: false });
  });

  test("and once more leaves", () => {
    expect(typed("a\x1d\x1db\x1d")).toEqual({ sent: "a\x1db", left: true });
    expect(typed("\x1d\x1d\x1d")).toEqual({ sent: "\x1d", left: true });
  });

  test("is known where it is typed by hand, a piece at a time", () => {
    const filter = new EscapeFilter();
    expect(filter.push(bytes("\x1d"), 0).leave).toBe(true);
    expect(filter.again(bytes("\x1drest"))).toBe(1);
    expect(filter.again(bytes("\x1b[93;5:3u\x1b[93;5u"))).toBe(16);
    expect(filter.again(bytes("x\x1d"))).toBe(0);
  });
});
