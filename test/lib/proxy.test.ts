import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bareHost, isLoopback, proxyFor } from "../../src/lib/proxy.ts";

const url = (text: string) => new URL(text);
const PROXY = "http://proxy.example:3128";

describe("proxyFor", () => {
  test("goes by the scheme of the URL, for WebSockets as for HTTP", () => {
    const env = { HTTPS_PROXY: "http://s.example:1", HTTP_PROXY: "http://p.example:2" };
    expect(proxyFor(url("https://x.example"), env)).toBe("http://s.example:1");
    expect(proxyFor(url("wss://x.example"), env)).toBe("http://s.example:1");
    expect(proxyFor(url("http://x.example"), env)).toBe("http://p.example:2");
    expect(proxyFor(url("ws://x.example"), env)).toBe("http://p.example:2");
  });

  test("takes ALL_PROXY where there is nothing for the scheme", () => {
    expect(proxyFor(url("wss://x.example"), { ALL_PROXY: PROXY })).toBe(PROXY);
    expect(proxyFor(url("wss://x.example"), { HTTP_PROXY: PROXY })).toBeNull();
  });

  test("takes the lower-case name first, and an empty one as unset", () => {
    expect(proxyFor(url("https://x.example"), { https_proxy: PROXY, HTTPS_PROXY: "http://no" })).toBe(PROXY);
    expect(proxyFor(url("https://x.example"), { https_proxy: "", HTTPS_PROXY: PROXY })).toBe(PROXY);
  });

  test("adds the scheme that people leave out, and keeps credentials", () => {
    expect(proxyFor(url("https://x.example"), { HTTPS_PROXY: "me:secret@proxy:8" })).toBe(
      "http://me:secret@proxy:8",
    );
  });

  test("never sends loopback through a proxy", () => {
    for (const host of ["localhost", "api.localhost", "127.0.0.1", "127.9.9.9", "[::1]"]) {
      expect(proxyFor(url(`https://${host}:8443`), { ALL_PROXY: PROXY })).toBeNull();
    }
  });

  test.each([
    ["example.com", "https://example.com", true],
    ["example.com", "https://a.b.example.com", true],
    [".example.com", "https://a.example.com", true],
    ["*.example.com", "https://a.example.com", true],
    ["EXAMPLE.com", "https://a.Example.COM", true],
    ["example.com", "https://badexample.com", false],
    ["example.com", "https://example.com.evil.net", false],
    ["example.com:8443", "https://example.com:8443", true],
    ["example.com:8443", "https://example.com", false],
    ["example.com:443", "https://example.com", true],
    ["example.com:80", "ws://example.com", true],
    ["*", "https://anything.example", true],
    ["a.example, b.example", "https://b.example", true],
    ["a.example b.example", "https://b.example", true],
    ["10.0.0.0/8", "https://10.1.2.3", true],
    ["10.0.0.0/8", "https://11.1.2.3", false],
    ["10.1.2.3", "https://10.1.2.3:9", true],
    ["2001:db8::/32", "https://[2001:db8::7]", true],
    ["2001:db8::7", "https://[2001:db8::7]", true],
    ["[2001:db8::7]:443", "https://[2001:db8::7]", true],
    ["10.0.0.0/99", "https://10.0.0.1", false],
    ["10.0.0.0/8", "https://ten.example", false],
    ["", "https://x.example", false],
    [",,", "https://x.example", false],
  ])("NO_PROXY=%p spares %s: %p", (list, target, spared) => {
    expect(proxyFor(url(target), { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: list })).toBe(
      spared ? null : PROXY,
    );
  });

  test("survives any NO_PROXY", () => {
    fc.assert(
      fc.property(fc.string(), (list) => {
        const proxy = proxyFor(url("https://x.example"), { HTTPS_PROXY: PROXY, NO_PROXY: list });
        expect(proxy === null || proxy === PROXY).toBe(true);
      }),
    );
  });
});

describe("isLoopback", () => {
  test.each(["localhost", "a.localhost", "127.0.0.1", "127.255.255.254", "::1"])(
    "takes %s for this machine",
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );
  test.each(["localhost.evil.net", "127.0.0.1.evil.net", "128.0.0.1", "0.0.0.0", "notlocalhost", ""])(
    "does not take %p for it",
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
  test("sees through the spellings that a URL allows", () => {
    for (const text of [
      "http://127.1",
      "http://2130706433",
      "http://0x7f000001",
      "http://LOCALHOST",
      "http://[0:0:0:0:0:0:0:1]",
    ]) {
      expect(isLoopback(bareHost(url(text)))).toBe(true);
    }
  });
});
