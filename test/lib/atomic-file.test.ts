import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "../../src/lib/atomic-file.ts";
import { errnoOf } from "../../src/lib/errors.ts";
import { testUnless, whyNoMount } from "../support/needs.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-atomic-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("writeFileAtomic", () => {
  test("writes a file that only its owner reads, in folders that only the owner enters", () => {
    const path = join(folder, "a", "b", "agent.json");
    writeFileAtomic(path, "héllo");
    expect(readFileSync(path, "utf8")).toBe("héllo");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o700);
  });

  test("makes a file that others could read private again", () => {
    const path = join(folder, "agent.json");
    writeFileSync(path, "old");
    chmodSync(path, 0o644);
    writeFileAtomic(path, "new");
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("leaves a symbolic link in place and writes where it points", () => {
    writeFileSync(join(folder, "real"), "old");
    symlinkSync("real", join(folder, "link"));
    writeFileAtomic(join(folder, "link"), "new");
    expect(lstatSync(join(folder, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, "real"), "utf8")).toBe("new");
  });

  test("leaves the old file and nothing else where the new one cannot be put in place", () => {
    // A folder of that name: the rename fails for root too.
    const path = join(folder, "taken");
    mkdirSync(join(path, "inside"), { recursive: true });
    expect(() => writeFileAtomic(path, "new")).toThrow();
    expect(readdirSync(folder)).toEqual(["taken"]);
    expect(existsSync(join(path, "inside"))).toBe(true);
  });

  testUnless(whyNoMount())("leaves the old file whole when the disk is full", () => {
    const mount = join(folder, "small");
    mkdirSync(mount);
    expect(mountSmall(mount)).toBe(true);
    try {
      const path = join(mount, "agent.json");
      writeFileAtomic(path, "old");
      expect(errnoOf(attempt(() => writeFileAtomic(path, "x".repeat(100_000))))).toBe("ENOSPC");
      expect(readFileSync(path, "utf8")).toBe("old");
      expect(readdirSync(mount)).toEqual(["agent.json"]);
    } finally {
      Bun.spawnSync(["umount", mount]);
    }
  });

  test("says what is in the way where the folder cannot be made", () => {
    writeFileSync(join(folder, "file"), "kept");
    expect(errnoOf(attempt(() => writeFileAtomic(join(folder, "file", "agent.json"), "x")))).toBe("EEXIST");
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("kept");
  });
});

function mountSmall(path: string): boolean {
  return Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", path], { stderr: "ignore" })
    .success;
}

function attempt(fn: () => void): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}
