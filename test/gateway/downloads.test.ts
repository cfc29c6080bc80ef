import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call, startGateway } from "../support/gateway.ts";

const FILE = "rexec-agent-linux-amd64";
const CONTENT = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
const HASH = new Bun.CryptoHasher("sha256").update(CONTENT).digest("hex");

async function stage() {
  const folder = mkdtempSync(join(tmpdir(), "rexec-downloads-"));
  writeFileSync(join(folder, FILE), CONTENT);
  writeFileSync(join(folder, "secret"), "secret");
  const gateway = await startGateway({ downloads: ["/nonexistent", folder] });
  return {
    folder,
    gateway,
    get: (path: string, headers = {}) => fetch(`${gateway.url}/downloads/${path}`, { headers }),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe("downloads", () => {
  test("an executable comes whole, with its length, to anybody", async () => {
    await using here = await stage();
    const response = await here.get(FILE);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(String(CONTENT.length));
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(Buffer.from(await response.arrayBuffer()).equals(CONTENT)).toBe(true);
    const head = await fetch(`${here.gateway.url}/downloads/${FILE}`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(CONTENT.length)]);
  });

  test("a part of it comes where it is asked for, and a part that is not there is a 416", async () => {
    await using here = await stage();
    const part = await here.get(FILE, { Range: "bytes=1000-1999" });
    expect([part.status, part.headers.get("content-range")]).toEqual([
      206,
      `bytes 1000-1999/${CONTENT.length}`,
    ]);
    expect(Buffer.from(await part.arrayBuffer()).equals(CONTENT.subarray(1000, 2000))).toBe(true);
    const rest = await here.get(FILE, { Range: "bytes=99990-" });
    expect([rest.status, (await rest.arrayBuffer()).byteLength]).toEqual([206, 10]);
    expect((await here.get(FILE, { Range: "bytes=100000-" })).status).toBe(416);
  });

  test("checksums are those of the files, or those that the build wrote", async () => {
    await using here = await stage();
    expect(await (await here.get(`${FILE}.sha256`)).text()).toBe(`${HASH}  ${FILE}\n`);
    expect(await (await here.get("SHA256SUMS")).text()).toBe(`${HASH}  ${FILE}\n`);
    const written = `${"0".repeat(64)}  ${FILE}\n`;
    writeFileSync(join(here.folder, "SHA256SUMS"), written);
    expect(await (await here.get("SHA256SUMS")).text()).toBe(written);
    expect(await (await here.get(`${FILE}.sha256`)).text()).toBe(written);
  });

  test("what is not there is a 404 in JSON that says how to make it", async () => {
    await using here = await stage();
    const { status, json } = await here.gateway.api("GET", "/downloads/rexec-agent-linux-arm64");
    expect([status, json.code]).toEqual([404, "download_missing"]);
    expect(json.error).toContain("bun run build");
    const other = await here.gateway.api("GET", "/downloads/rexec-agent-linux-armv7");
    expect([other.status, other.json.code]).toEqual([404, "download_missing"]);
    expect(other.json.error).not.toContain("bun run build");
    await using bare = await startGateway();
    expect((await bare.api("GET", `/downloads/${FILE}`)).status).toBe(404);
    expect((await bare.api("GET", "/downloads/SHA256SUMS")).status).toBe(404);
  });

  test("no path leads to any other file", async () => {
    await using here = await stage();
    symlinkSync("/etc/passwd", join(here.folder, "rexec-agent-linux-x"));
    for (const path of [
      "secret",
      "..%2fsecret",
      "%2e%2e%2f",
      ".%00",
      "rexec-agent-linux-x",
      "%2fetc%2fpasswd",
      `${FILE}%00`,
    ]) {
      const { status, text } = await call(here.gateway.url, "GET", `/downloads/${path}`);
      expect([path, status]).toEqual([path, 404]);
      expect(text).not.toContain("secret:");
    }
  });
});
