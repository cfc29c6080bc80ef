import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RexecError } from "../../src/lib/errors.ts";
import { dialOptions, httpUrl, resolveEndpoint, wsUrl } from "../../src/lib/net.ts";

const folder = mkdtempSync(join(tmpdir(), "rexec-net-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("resolveEndpoint", () => {
  test.each([
    "",
    "rexec",
    "rexec.example.com",
    "ftp://x.example",
    "http://",
    "//x",
    "javascript:alert(1)",
    "localhost:8080",
  ])("does not take %p for an address, and shows what one looks like", (url) => {
    const error = refused(url);
    expect(error.code).toBe("bad_host");
    expect(error.exitCode).toBe(2);
    expect(error.hint).toContain("://");
  });

  test("shows the address that was probably meant", () => {
    expect(refused("rexec.example.com").hint).toContain("https://rexec.example.com");
    expect(refused("box.example:8443").hint).toContain("https://box.example:8443");
    expect(refused("localhost:8080").hint).toContain("http://localhost:8080");
  });

  test("refuses plain http over a network, unless told that the network is trusted", () => {
    const error = refused("http://10.0.0.5:8080");
    expect(error.code).toBe("insecure_host");
    expect(error.hint).toContain("--insecure");
    expect(endpoint("http://10.0.0.5:8080", true).base.href).toBe("http://10.0.0.5:8080/");
  });

  test.each(["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"])(
    "takes plain http on loopback: %s",
    (url) => {
      expect(endpoint(url).base.protocol).toBe("http:");
    },
  );

  test("keeps a path prefix and drops slashes, query and fragment behind it", () => {
    const at = endpoint("https://x.example/rexec//?a=1#b");
    expect(httpUrl(at, "/api/version").href).toBe("https://x.example/rexec/api/version");
    expect(wsUrl(at, "/ws/agent/1?x=y").href).toBe("wss://x.example/rexec/ws/agent/1?x=y");
    expect(wsUrl(endpoint("http://localhost:8"), "/ws").href).toBe("ws://localhost:8/ws");
  });

  test("adds the certificates of a CA file to the built-in ones", () => {
    const file = join(folder, "ca.pem");
    writeFileSync(file, "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n");
    const at = resolveEndpoint({ url: "https://x.example", insecure: false, caFile: file, env: {} });
    expect(at.ca?.at(-1)).toContain("ours");
    expect(at.ca?.length).toBeGreaterThan(50);
    expect(dialOptions(at, at.base).tls?.ca).toEqual([...(at.ca ?? [])]);
  });

  test("names the CA file that cannot be read", () => {
    const caFile = join(folder, "missing.pem");
    const error = thrown(() =>
      resolveEndpoint({ url: "https://x.example", insecure: false, caFile, env: {} }),
    );
    expect(error.code).toBe("bad_ca_file");
    expect(error.message).toContain(caFile);
  });
});

describe("dialOptions", () => {
  test("says nothing where there is neither proxy nor CA", () => {
    const at = endpoint("https://x.example");
    expect(dialOptions(at, at.base)).toEqual({});
  });

  test("names the proxy for both protocols", () => {
    const env = { HTTPS_PROXY: "http://proxy:8" };
    const at = resolveEndpoint({ url: "https://x.example", insecure: false, env });
    expect(dialOptions(at, httpUrl(at, "/a"))).toEqual({ proxy: "http://proxy:8" });
    expect(dialOptions(at, wsUrl(at, "/a"))).toEqual({ proxy: "http://proxy:8" });
  });
});

function endpoint(url: string, insecure = false) {
  return resolveEndpoint({ url, insecure, env: {} });
}

function refused(url: string): RexecError {
  return thrown(() => endpoint(url));
}

function thrown(fn: () => unknown): RexecError {
  try {
    fn();
  } catch (error) {
    if (error instanceof RexecError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
