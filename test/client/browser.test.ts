import { describe, expect, test } from "bun:test";
import { browserCommand, openInBrowser } from "../../src/client/browser.ts";

const has =
  (...names: string[]) =>
  (name: string) =>
    names.includes(name) ? `/usr/bin/${name}` : null;

describe("a browser", () => {
  test.each([
    [{ DISPLAY: ":0" }, "/usr/bin/xdg-open"],
    [{ WAYLAND_DISPLAY: "wayland-0" }, "/usr/bin/xdg-open"],
    [{ DISPLAY: ":0", BROWSER: "firefox" }, "/usr/bin/firefox"],
    [{ BROWSER: "firefox" }, "/usr/bin/firefox"],
  ])("is there with %j", (env, command) => {
    expect(browserCommand(env, has("xdg-open", "firefox"))).toBe(command);
  });

  test.each([
    [{}],
    [{ SSH_CONNECTION: "192.0.2.1 1 192.0.2.2 22" }],
    [{ BROWSER: "w3m" }],
    [{ BROWSER: "/usr/bin/lynx" }],
    [{ BROWSER: "sh -c 'x'" }],
    [{ DISPLAY: ":0", SUDO_UID: "1000" }],
    [{ BROWSER: "missing" }],
  ])("is not there with %j", (env) => {
    expect(browserCommand(env, has("xdg-open", "w3m", "sh"))).toBeNull();
  });

  test.each(["file:///etc/passwd", "javascript:alert(1)", "--help", "x", "mailto:ada@example.com"])(
    "is not asked to open %s",
    (page) => {
      expect(openInBrowser(page, { BROWSER: "true" })).toBe(false);
    },
  );
});
