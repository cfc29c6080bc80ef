import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EscapeFilter } from "../../src/client/escape.ts";

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
