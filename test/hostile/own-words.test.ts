/** Names that the operator's own folders have reach a terminal as text, too. */
import { expect, test } from "bun:test";
import { welcomeWithFile } from "../../src/commands/_welcome.ts";

test.each(["\x1b[2J", "\u202e", "\x9b31m", "\n", "\ud800"])(
  "the gateway's first words: %j in a folder",
  (odd) => {
    const words = welcomeWithFile("http://127.0.0.1:8080", `/srv/${odd}/admin-token`);
    expect(words.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
    expect(words).toContain("login --host http://127.0.0.1:8080 < FILE\n");
  },
);

test("a plain folder is in the command as it is", () => {
  const words = welcomeWithFile("http://127.0.0.1:8080", "/srv/it's here/admin-token");
  expect(words).toContain("< '/srv/it'\\''s here/admin-token'\n");
});
