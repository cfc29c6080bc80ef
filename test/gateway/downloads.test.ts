import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newKeyPair, readSigningKey, signFile } from "../../scripts/signing.ts";
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

  test("packed forms, signatures and the rest of a release come by their names", async () => {
    await using here = await stage();
    const names = [
      `${FILE}.gz`,
      `${FILE}.xz`,
      `${FILE}.minisig`,
      `${FILE}.gz.minisig`,
      "rexec-linux-arm64",
      "SHA256SUMS.minisig",
      "rexec.cdx.json",
      "install-agent.sh",
    ];
    for (const name of names) expect([name, (await here.get(name)).status]).toEqual([name, 404]);
    for (const name of names) writeFileSync(join(here.folder, name), `content of ${name}`);
    for (const name of names) expect(await (await here.get(name)).text()).toBe(`content of ${name}`);
    const part = await here.get(`${FILE}.gz`, { Range: "bytes=8-" });
    expect([part.status, await part.text()]).toEqual([206, `of ${FILE}.gz`]);
  });

  test("a download that goes on gets no part of another build", async () => {
    await using here = await stage();
    const tag = (await here.get(FILE)).headers.get("etag") ?? "";
    const again = await here.get(FILE, { "If-None-Match": tag });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    const same = await here.get(FILE, { Range: "bytes=10-", "If-Range": tag });
    expect(same.status).toBe(206);
    writeFileSync(join(here.folder, FILE), Buffer.alloc(50_000, 1));
    const other = await here.get(FILE, { Range: "bytes=10-", "If-Range": tag });
    expect([other.status, (await other.arrayBuffer()).byteLength]).toEqual([200, 50_000]);
  });

  test("other versions are in folders of their names, and nowhere else", async () => {
    await using here = await stage();
    mkdirSync(join(here.folder, "v0.0.9"));
    mkdirSync(join(here.folder, "other"));
    for (const folder of ["v0.0.9", "other"]) writeFileSync(join(here.folder, folder, FILE), "old");
    expect(await (await here.get(`v0.0.9/${FILE}`)).text()).toBe("old");
    expect(await (await here.get("v0.0.9/SHA256SUMS")).text()).toContain(`  ${FILE}\n`);
    for (const path of [`v0.1.0/${FILE}`, `other/${FILE}`, `..%2fother/${FILE}`, "v0.0.9/secret"]) {
      expect([path, (await here.get(path)).status]).toEqual([path, 404]);
    }
  });

  test("the version of the agents is what their signature says, and nothing where there is none", async () => {
    await using here = await stage();
    const version = async () => (await here.gateway.api("GET", "/api/version")).json.agent_version;
    expect(await version()).toBeUndefined();
    const key = readSigningKey(newKeyPair().secretText);
    const comment = `file:${FILE}\tversion:7.8.9`;
    writeFileSync(join(here.folder, `${FILE}.minisig`), signFile(CONTENT, key, comment));
    expect(await version()).toBe("v7.8.9");
    writeFileSync(join(here.folder, `${FILE}.minisig`), "nonsense");
    expect(await version()).toBeUndefined();
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
