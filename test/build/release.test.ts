import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod/mini";
import { nativeArch, readStamp, TARGETS } from "../../build.ts";
import { makeRelease, trustedComment } from "../../scripts/release.ts";
import { newKeyPair, publicKeyText, readSigningKey, signFile } from "../../scripts/signing.ts";
import {
  commentFields,
  parsePublicKey,
  parseSignature,
  verifyComment,
  verifyDigest,
} from "../../src/lib/minisign.ts";
import { describeUnless, lacks, testWith } from "../support/needs.ts";

const AGENT = `rexec-agent-linux-${nativeArch()}`;
const TIME = 1_700_000_000;
const { secretText, publicText } = newKeyPair();
const key = readSigningKey(secretText);
const publicKey = parsePublicKey(publicText);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-release-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One executable, and xz in its quickest way: the rest is as `bun run release` makes it. */
function release(outDir: string, { signed = true, files = [AGENT] } = {}) {
  return makeRelease({
    outDir,
    stamp: { version: "7.8.9", commit: "0123456789ab", publicKey: publicText.split("\n")[1] ?? "" },
    time: TIME,
    key: signed ? key : null,
    targets: TARGETS.filter(({ file }) => files.includes(file)),
    xzPreset: 0,
    tell() {},
  });
}

describeUnless(lacks("xz"))("a release", () => {
  const FILES = [
    "SHA256SUMS",
    "install-agent.sh",
    AGENT,
    `${AGENT}.gz`,
    `${AGENT}.xz`,
    "rexec.cdx.json",
    "rexec.pub",
  ];

  test("has every file in every form, each signed, and is the same twice", async () => {
    const [first, second] = [join(folder, "first"), join(folder, "second")];
    const made = await release(first);
    await release(second);
    expect(made).toEqual(FILES.flatMap((name) => [name, `${name}.minisig`]).sort());
    expect(readdirSync(first).sort()).toEqual(made);
    for (const name of made) expect([name, sum(join(second, name))]).toEqual([name, sum(join(first, name))]);
    rmSync(second, { recursive: true });
  }, 180_000);

  test("has packed forms that unpack to the executable, and sums that sha256sum agrees with", () => {
    const first = join(folder, "first");
    const plain = sum(join(first, AGENT));
    for (const tool of ["gzip", "xz"]) {
      const { stdout } = Bun.spawnSync([tool, "-dc", join(first, `${AGENT}.${tool === "xz" ? "xz" : "gz"}`)]);
      expect([tool, sha256(stdout)]).toEqual([tool, plain]);
    }
    const check = Bun.spawnSync(["sha256sum", "-c", "SHA256SUMS"], { cwd: first });
    expect(check.stdout.toString().trim().split("\n")).toHaveLength(FILES.length - 1);
    expect(check.exitCode).toBe(0);
  });

  test("has signatures that say of which file and version they are", () => {
    for (const name of FILES) {
      const signature = parseSignature(readFileSync(join(folder, "first", `${name}.minisig`), "utf8"));
      const digest = createHash("blake2b512")
        .update(readFileSync(join(folder, "first", name)))
        .digest();
      verifyDigest(signature, publicKey, digest);
      expect(commentFields(verifyComment(signature, publicKey))).toMatchObject({
        file: name,
        version: "7.8.9",
      });
    }
  });

  testWith("minisign")("is what minisign itself takes", () => {
    const path = join(folder, "key.pub");
    writeFileSync(path, publicText);
    const file = join(folder, "first", AGENT);
    const { exitCode, stdout } = Bun.spawnSync(["minisign", "-V", "-p", path, "-m", file]);
    expect([exitCode, stdout.toString()]).toEqual([0, expect.stringContaining("version:7.8.9")]);
  });

  test("lists what the executables are made of, and only that", () => {
    const sbom = bom.parse(JSON.parse(readFileSync(join(folder, "first", "rexec.cdx.json"), "utf8")));
    const names = sbom.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["node-pty", "zod", "citty", "@oven/bun-linux-x64", AGENT]));
    expect(names).not.toContain("typescript");
    expect(sbom.metadata.timestamp).toBe(new Date(TIME * 1000).toISOString());
    const refs = new Set([...sbom.components.map((each) => each["bom-ref"]), "pkg:generic/rexec@7.8.9"]);
    for (const { ref, dependsOn } of sbom.dependencies) {
      for (const each of [ref, ...dependsOn]) expect([each, refs.has(each)]).toEqual([each, true]);
    }
  });

  test("without a key is unsigned, and takes away signatures that belong to nothing any more", async () => {
    const small = join(folder, "small");
    await release(small, { files: [] });
    expect(readdirSync(small)).toContain("SHA256SUMS.minisig");
    await release(small, { files: [], signed: false });
    expect(readdirSync(small).sort()).toEqual(["SHA256SUMS", "install-agent.sh", "rexec.cdx.json"]);
  });
});

describe("signatures", () => {
  const file = Buffer.from("any file");
  const digest = createHash("blake2b512").update(file).digest();
  const text = signFile(file, key, trustedComment("f", "1.2.3", TIME));

  test("are refused where a byte of the file, the signature or the comment is another one", () => {
    verifyDigest(parseSignature(text), publicKey, digest);
    const refused = (changed: string, of: Uint8Array = digest) =>
      expect(() => verifyDigest(parseSignature(changed), publicKey, of)).toThrow("not valid");
    refused(text, createHash("blake2b512").update("another file").digest());
    refused(text.replace("1.2.3", "1.2.4"));
    const lines = text.split("\n");
    for (const line of [1, 3]) {
      const bytes = Buffer.from(lines[line] ?? "", "base64");
      for (let index = 0; index < bytes.length; index += 7) {
        const flipped = Buffer.from(bytes);
        flipped[index] = (flipped[index] ?? 0) ^ 1;
        refused(lines.with(line, flipped.toString("base64")).join("\n"));
      }
    }
  });

  test("are refused where another key made them, and where they are cut or none at all", () => {
    const stranger = readSigningKey(newKeyPair().secretText);
    const theirs = parseSignature(signFile(file, stranger, "x"));
    expect(() => verifyDigest(theirs, publicKey, digest)).toThrow("this program trusts");
    // The stranger may write any key's number into it.
    const posing = parseSignature(signFile(file, { ...stranger, id: key.id }, "x"));
    expect(() => verifyDigest(posing, publicKey, digest)).toThrow("not valid");
    for (let length = 0; length < text.length - 2; length += 5) {
      expect(() => parseSignature(text.slice(0, length))).toThrow("not valid");
    }
    expect(() => parseSignature("<html>")).toThrow("not valid");
  });

  test("of minisign's old kind are refused by name", () => {
    const lines = text.split("\n");
    const bytes = Buffer.from(lines[1] ?? "", "base64");
    bytes.write("Ed", 0, "latin1");
    expect(() => parseSignature(lines.with(1, bytes.toString("base64")).join("\n"))).toThrow("old kind");
  });

  testWith("minisign")("and keys go to and fro with minisign", () => {
    const at = (name: string) => join(folder, name);
    const minisign = (...words: string[]) => Bun.spawnSync(["minisign", ...words]).exitCode;
    writeFileSync(at("file"), file);
    expect(minisign("-G", "-f", "-W", "-s", at("theirs.key"), "-p", at("theirs.pub"))).toBe(0);
    expect(minisign("-S", "-s", at("theirs.key"), "-m", at("file"), "-t", "file:f version:2.0.0")).toBe(0);
    const theirs = parsePublicKey(readFileSync(at("theirs.pub"), "utf8"));
    verifyDigest(parseSignature(readFileSync(at("file.minisig"), "utf8")), theirs, digest);
    expect(publicKeyText(readSigningKey(at("theirs.key")))).toBe(readFileSync(at("theirs.pub"), "utf8"));
    writeFileSync(at("ours.key"), secretText);
    expect(minisign("-S", "-s", at("ours.key"), "-m", at("file"), "-x", at("ours.minisig"))).toBe(0);
    verifyDigest(parseSignature(readFileSync(at("ours.minisig"), "utf8")), publicKey, digest);
  });
});

describe("the stamp", () => {
  test("takes version and public key from variables, and refuses what is neither", () => {
    const line = publicText.split("\n")[1] ?? "";
    expect(readStamp({ REXEC_VERSION: "v2.0.0-rc.1", REXEC_PUBLIC_KEY: publicText })).toMatchObject({
      version: "2.0.0-rc.1",
      publicKey: line,
    });
    expect(readStamp({ REXEC_PUBLIC_KEY: line }).publicKey).toBe(line);
    expect(readStamp({}).publicKey).toBe("");
    expect(() => readStamp({ REXEC_PUBLIC_KEY: "nonsense" })).toThrow("no public key");
    expect(() => readStamp({ REXEC_VERSION: "latest" })).toThrow("no version");
  });
});

const bom = z.object({
  metadata: z.object({ timestamp: z.string() }),
  components: z.array(z.object({ name: z.string(), "bom-ref": z.string() })),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

function sum(path: string): string {
  return existsSync(path) ? sha256(readFileSync(path)) : "missing";
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}
