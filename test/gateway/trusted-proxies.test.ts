import { describe, expect, test } from "bun:test";
import { addressIn } from "../../src/gateway/http/address.ts";
import { requestInfo } from "../../src/gateway/http/request-info.ts";
import { TrustedProxies } from "../../src/gateway/http/trusted-proxies.ts";
import { call, startGateway } from "../support/gateway.ts";

describe("a trusted network", () => {
  test.each([
    [
      "10.0.0.0/8",
      ["10.0.0.0", "10.255.255.255", "::ffff:10.1.1.1", "::ffff:0a01:0101"],
      ["11.0.0.0", "9.255.255.255"],
    ],
    // The bits behind the length do not count.
    ["10.1.2.3/8", ["10.9.9.9"], ["11.1.2.3"]],
    ["192.168.4.128/25", ["192.168.4.128", "192.168.4.255"], ["192.168.4.127", "192.168.5.128"]],
    ["1.2.3.4", ["1.2.3.4", "::ffff:1.2.3.4"], ["1.2.3.5", "::1.2.3.4"]],
    ["1.2.3.4/32", ["1.2.3.4"], ["1.2.3.5"]],
    ["0.0.0.0/0", ["1.2.3.4", "255.255.255.255"], ["2001:db8::1"]],
    ["2001:db8::/32", ["2001:db8::1", "2001:DB8:ffff::1", "2001:0db8:0:0::1"], ["2001:db9::1", "1.2.3.4"]],
    ["2001:db8:0:8000::/49", ["2001:db8:0:8000::1", "2001:db8:0:ffff::1"], ["2001:db8:0:7fff::1"]],
    ["2001:db8::1", ["2001:db8::1", "2001:db8:0:0:0:0:0:1"], ["2001:db8::2"]],
    ["::/0", ["2001:db8::1"], []],
    // An IPv4 network, written as IPv6.
    ["::ffff:192.168.0.0/112", ["192.168.3.4", "::ffff:192.168.3.4"], ["192.169.0.1"]],
    ["::ffff:1.2.3.4", ["1.2.3.4"], ["1.2.3.5"]],
    ["loopback", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"], ["128.0.0.1", "::2", "10.0.0.1"]],
    [
      "private",
      ["10.1.1.1", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fe80::1%eth0"],
      ["172.32.0.1", "8.8.8.8"],
    ],
    ["LOOPBACK", ["127.0.0.1"], []],
  ])("%s", (network, inside, outside) => {
    const trusted = new TrustedProxies([network]);
    for (const address of inside) expect([address, trusted.has(address)]).toEqual([address, true]);
    for (const address of outside) expect([address, trusted.has(address)]).toEqual([address, false]);
    for (const junk of ["", "x", "10.0.0", "010.0.0.1", "10.0.0.1:80", "unknown"])
      expect(trusted.has(junk)).toBe(false);
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "10.0.0.0/8.5",
    "10.0.0/8",
    "10.0.0.0/ 8",
    "/8",
    "",
    " ",
    "2001:db8::/129",
    "[::1]",
    "::1/x",
    "example.com",
    "10.0.0.0-10.0.0.9",
    "10.0.0.*",
    "010.0.0.0/8",
    "1.2.3.4:80",
    "constructor",
    "__proto__",
  ])("is not %p", (word) => {
    expect(() => new TrustedProxies([word])).toThrow("is no address of a proxy");
  });
});

test("an address has one form, however a proxy writes it", () => {
  const same: [string, string | null][] = [
    ["1.2.3.4", "1.2.3.4"],
    [" 1.2.3.4 ", "1.2.3.4"],
    ["1.2.3.4:5678", "1.2.3.4"],
    ["2001:DB8:0:0::1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["[2001:db8::1]:443", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::FFFF:0102:0304", "1.2.3.4"],
    ["0:0:0:0:0:ffff:0:1", "0.0.0.1"],
    ["[1.2.3.4]", null],
    ["1.2.3.4:", null],
    ["1.2.3.4:123456", null],
    ["01.2.3.4", null],
    ["1.2.3", null],
    ["16909060", null],
    ["0x1.2.3.4", null],
    ['"1.2.3.4"', null],
    ["unknown", null],
    ["_hidden", null],
    ["[::1", null],
    ["::1]", null],
    ["2001:db8::1:443:::", null],
    ["", null],
  ];
  expect(same.map(([text]) => [text, addressIn(text)])).toEqual(same);
});

describe("X-Forwarded-For", () => {
  const sender = (hops: string | null, peer = "10.0.0.9") =>
    requestInfo(
      new Request("http://g", { headers: hops === null ? {} : { "X-Forwarded-For": hops } }),
      peer,
      {
        publicUrl: undefined,
        trusted: new TrustedProxies(["10.0.0.0/8", "2001:db8::/32"]),
        listening: "http://127.0.0.1:1",
      },
    ).address;

  test.each([
    [null, "10.0.0.9"],
    ["", "10.0.0.9"],
    [",", "10.0.0.9"],
    ["1.2.3.4", "1.2.3.4"],
    ["1.2.3.4,", "1.2.3.4"],
    [", ,1.2.3.4, ,", "1.2.3.4"],
    // What is left of the last untrusted one may be made up.
    ["10.0.0.1, 6.6.6.6, 1.2.3.4, 10.1.1.1", "1.2.3.4"],
    ["127.0.0.1, 1.2.3.4", "1.2.3.4"],
    ["1.2.3.4, junk, 10.1.1.1", "10.1.1.1"],
    ["1.2.3.4, junk", "10.0.0.9"],
    ["1.2.3.4, unknown", "10.0.0.9"],
    ["1.2.3.4 5.6.7.8", "10.0.0.9"],
    ["1.2.3.4;5.6.7.8", "10.0.0.9"],
    ["1.2.3.4:4711, 10.1.1.1:80", "1.2.3.4"],
    ["[2001:db9::1]:443, 2001:db8::7", "2001:db9::1"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::ffff:10.3.3.3", "10.3.3.3"],
    // All of them trusted: the one furthest away.
    ["10.5.5.5, 10.4.4.4", "10.5.5.5"],
  ])("%p comes from %s", (hops, expected) => {
    expect(sender(hops)).toBe(expected);
    expect(sender(hops, "::ffff:10.0.0.9")).toBe(expected);
  });

  test("counts for nothing from a peer that is not trusted, whatever it says of itself", () => {
    for (const peer of ["1.1.1.1", "2001:db9::1", "unknown"])
      expect(sender("10.0.0.1, 6.6.6.6", peer)).toBe(peer);
  });

  test("is read sixteen hops deep", () => {
    const hops = Array.from({ length: 40 }, (_, n) => `10.0.1.${n}`);
    expect(sender(["1.2.3.4", ...hops].join(","))).toBe("10.0.1.24");
    expect(sender(`1.2.3.4${",".repeat(2_000)}`)).toBe("1.2.3.4");
  });

  test("in more than one header is one list", async () => {
    const lines: { address?: unknown }[] = [];
    await using gateway = await startGateway({
      trustProxy: ["loopback"],
      requestLog: (_, fields) => void lines.push(fields),
    });
    const headers = new Headers();
    headers.append("X-Forwarded-For", "6.6.6.6");
    headers.append("X-Forwarded-For", "1.2.3.4");
    await fetch(`${gateway.url}/health`, { headers });
    await call(gateway.url, "GET", "/health", undefined, null, {
      "X-Forwarded-For": "127.0.0.1, ::ffff:5.6.7.8",
    });
    expect(lines.map(({ address }) => address)).toEqual(["1.2.3.4", "5.6.7.8"]);
  });
});
