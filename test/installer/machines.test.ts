/** The installer on machines of another kind than this one: made of folders, so only root can. */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const INSTALLER = join(import.meta.dir, "..", "..", "install-agent.sh");
const folder = mkdtempSync(join(tmpdir(), "rexec-machines-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const why =
  process.getuid?.() !== 0
    ? "only root can chroot"
    : Bun.which("busybox")
      ? null
      : "busybox is not installed (Debian: busybox)";
if (why !== null) test.skip(`a machine with musl: SKIPPED, ${why}`, () => {});

describe.skipIf(why !== null)("a machine with musl in the place of glibc", () => {
  test("is told that there is no build for it, before anything is downloaded or changed", async () => {
    const root = join(folder, "alpine");
    alpine(root);
    const child = Bun.spawn(
      [Bun.which("chroot") ?? "", root, "/bin/sh", "-s", "--", "--api", "https://rexec.invalid"],
      {
        env: { PATH: "/bin" },
        stdin: Bun.file(INSTALLER),
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const [err, code] = await Promise.all([child.stderr.text(), child.exited]);
    expect(err).toStartWith("error: this system has musl in the place of glibc (Alpine has)");
    expect(err).toContain("hint: run the agent on a glibc system");
    expect(code).toBe(1);
  });
});

// --- internal ---

/** busybox with all its commands, and a loader of musl's name. This machine's busybox is told to use a hidden glibc. */
function alpine(root: string): void {
  const busybox = Bun.which("busybox") ?? "";
  const hidden = "/opt/ld.so";
  for (const name of ["bin", "dev", "lib", "opt"]) mkdirSync(join(root, name), { recursive: true });
  const program = readFileSync(busybox);
  for (const library of Bun.spawnSync(["ldd", busybox]).stdout.toString().matchAll(/\/\S+/g)) {
    const [path] = library;
    const loader = Buffer.from(`${path}\0`);
    const at = program.indexOf(loader);
    const isLoader = at >= 0 && path.includes("/ld-linux");
    if (isLoader) program.fill(Buffer.from(hidden.padEnd(loader.length, "\0")), at, at + loader.length);
    const inside = join(root, isLoader ? hidden : path);
    mkdirSync(dirname(inside), { recursive: true });
    cpSync(path, inside, { dereference: true });
  }
  writeFileSync(join(root, "bin/busybox"), program, { mode: 0o755 });
  for (const name of Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n")) {
    if (name !== "busybox") symlinkSync("busybox", join(root, "bin", name));
  }
  writeFileSync(join(root, "dev/null"), "");
  writeFileSync(join(root, "lib/ld-musl-x86_64.so.1"), "");
}
