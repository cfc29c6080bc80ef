import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod/mini";
import { readCertificates } from "../../src/lib/ca-file.ts";
import { RexecError } from "../../src/lib/errors.ts";
import { requestJson } from "../../src/lib/http.ts";
import { resolveEndpoint } from "../../src/lib/net.ts";
import { describeUnless, lacks, testUnless } from "../support/needs.ts";

let folder: string;
const at = (name: string) => join(folder, name);
const openssl = (words: string) => {
  const made = Bun.spawnSync(["openssl", ...words.split(" ")], { cwd: folder });
  if (!made.success) throw new Error(`openssl: ${made.stderr}`);
};

const whyNot = lacks("openssl");
beforeAll(() => {
  if (whyNot !== null) return;
  folder = mkdtempSync(join(tmpdir(), "rexec-ca-"));
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  openssl(
    `req -x509 ${key} -days 3 -subj /CN=a -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out ca.pem`,
  );
  openssl(
    `req -x509 ${key} -days 3 -subj /CN=b -addext subjectAltName=DNS:other.example -keyout bkey.pem -out b.pem`,
  );
  openssl("x509 -in ca.pem -outform der -out ca.der");
  openssl("crl2pkcs7 -nocrl -certfile ca.pem -outform der -out ca.p7b");
  writeFileSync(
    at("both.pem"),
    `# ours\n${read("ca.pem")}\nand\r\n${read("b.pem").replaceAll("\n", "\r\n")}`,
  );
  writeFileSync(at("empty.pem"), "");
  writeFileSync(at("blank.pem"), "\n \n");
  writeFileSync(at("cut.pem"), read("ca.pem").slice(0, 200));
  writeFileSync(at("text.pem"), "see /etc/ssl\n");
  writeFileSync(at("huge.pem"), Buffer.alloc(9 * 1024 * 1024, "x"));
  mkdirSync(at("folder.pem"));
});
afterAll(() => {
  if (whyNot === null) rmSync(folder, { recursive: true, force: true });
});

const read = (name: string) => readFileSync(at(name), "utf8");

describeUnless(whyNot)("a file of certificates", () => {
  test("is PEM, one or several with text between them, or DER", () => {
    expect(readCertificates(at("ca.pem"))).toHaveLength(1);
    expect(readCertificates(at("both.pem"))).toHaveLength(2);
    expect(readCertificates(at("ca.der"))).toEqual([read("ca.pem")]);
  });

  test.each([
    ["empty.pem", "is empty"],
    ["blank.pem", "is empty"],
    ["key.pem", "holds no certificate, but: private key"],
    ["cut.pem", "is cut off"],
    ["text.pem", "holds no certificate"],
    ["ca.p7b", "looks like DER, and is no certificate"],
    ["huge.pem", "is too large"],
    ["folder.pem", "it is a folder"],
    ["none.pem", "there is no such file"],
  ])("that is %s is refused: %s", (name, why) => {
    let error: unknown;
    try {
      readCertificates(at(name));
    } catch (thrown) {
      error = thrown;
    }
    if (!(error instanceof RexecError)) throw new Error("it was taken");
    expect(error.message).toContain(why);
    expect(error.message).toContain(at(name));
    expect([error.code, error.hint]).toEqual(["bad_ca_file", expect.stringContaining("openssl x509")]);
  });
});

testUnless(whyNot)(
  "a server is trusted by a DER file; one whose certificate is for another name is told as that",
  async () => {
    const serve = (name: string, key: string) =>
      Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        tls: { cert: Bun.file(at(name)), key: Bun.file(at(key)) },
        fetch: () => Response.json({}),
      });
    using good = serve("ca.pem", "key.pem");
    using other = serve("b.pem", "bkey.pem");
    const ask = (url: string, caFile: string) =>
      requestJson({
        endpoint: resolveEndpoint({ url, insecure: false, caFile: at(caFile), env: {} }),
        method: "GET",
        path: "/",
        schema: z.unknown(),
      });
    expect(await ask(good.url.origin, "ca.der")).toEqual({});
    await expect(ask(other.url.origin, "both.pem")).rejects.toThrow("its certificate is for another name");
    await expect(ask(other.url.origin, "ca.der")).rejects.toThrow("not known here");
  },
);
