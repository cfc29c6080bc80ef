import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkOptions } from "../../src/pty/check.ts";
import { PtyOpenError } from "../../src/pty/errors.ts";
import { openPty } from "../../src/pty/open.ts";
import type { PtyOptions } from "../../src/pty/pty.ts";
import { backends, open } from "./sessions.ts";

const good: PtyOptions = { file: "/bin/sh", args: [], env: {}, cwd: "/", cols: 80, rows: 24 };
const folder = mkdtempSync(join(tmpdir(), "rexec-open-"));
afterAll(() => rmSync(folder, { recursive: true }));
const script = join(folder, "script");
writeFileSync(script, "#!/does/not/exist\n");

/** What `run` throws, which must be a PtyOpenError. */
function refusal(run: () => unknown): PtyOpenError {
  try {
    run();
  } catch (error) {
    if (error instanceof PtyOpenError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("opening a PTY", () => {
  test.each([
    ["SHELL_NOT_FOUND", { file: "/no/such/shell" }, "/no/such/shell"],
    ["SHELL_NOT_FOUND", { file: "sh" }, "absolute path"],
    ["SHELL_NOT_FOUND", { file: "/etc/passwd/sh" }, "/etc/passwd/sh"],
    ["SHELL_IS_DIRECTORY", { file: "/bin" }, "/bin"],
    ["SHELL_NOT_EXECUTABLE", { file: "/etc/passwd" }, "chmod +x"],
    ["SHELL_NOT_EXECUTABLE", { file: "/dev/null" }, "/dev/null"],
    ["CWD_NOT_FOUND", { cwd: "/no/such/folder" }, "/no/such/folder"],
    ["CWD_NOT_FOUND", { cwd: "" }, "absolute path"],
    ["CWD_NOT_DIRECTORY", { cwd: "/etc/passwd" }, "/etc/passwd"],
    ["BAD_ARGUMENT", { args: ["a\0b"] }, "zero byte"],
    ["BAD_ARGUMENT", { env: { A: "\0" } }, "zero byte"],
  ])("says %s before the fork for %j", (code, wrong, hint) => {
    const error = refusal(() => openPty({ ...good, ...wrong }));
    expect(error.code).toBe(code as typeof error.code);
    expect(error.message).toContain(hint);
  });

  test("finds nothing wrong with a good shell and folder", () => {
    expect(() => checkOptions(good)).not.toThrow();
  });

  test.each(backends)(
    "on the %s backend, does not leave a script without its interpreter unexplained",
    async (backend) => {
      chmodSync(script, 0o755);
      if (backend === "bun") {
        expect(refusal(() => open(backend, { file: script })).code).toBe("SHELL_NOT_EXECUTABLE");
      } else {
        const pty = open(backend, { file: script }); // the child finds out, and says so in the terminal
        expect(Buffer.from((await pty.read()) ?? []).toString()).toContain("No such file");
        expect((await pty.exited).exitCode).toBe(1);
        await pty.close();
      }
    },
  );
});

/** What a process of its own says, with this in its environment, of the backend chosen. */
async function chosen(env: Record<string, string>, wrap: string[] = []) {
  const source = `
    import { ptyBackend, ptyOpener } from ${JSON.stringify(join(import.meta.dir, "../../src/pty/open.ts"))};
    const told = [];
    const open = ptyOpener((reason) => told.push(reason));
    const ends = [];
    for (const _ of [1, 2]) {
      const pty = open(${JSON.stringify({ ...good, args: ["-c", "exit 9"] })});
      while ((await pty.read()) !== null);
      ends.push({ served: pty.backend, ...(await pty.exited) });
    }
    console.log(JSON.stringify({ ...ptyBackend(), told, ...ends[1] }));`;
  const child = Bun.spawn([...wrap, process.execPath, "-e", source], {
    env: { PATH: "/usr/bin:/bin", ...env },
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return out === "" ? err : JSON.parse(out);
}

describe("the choice of a backend", () => {
  test("is the native one where nothing speaks against it", async () => {
    const choice = { backend: "native", served: "native", exitCode: 9, told: [] };
    expect(await chosen({})).toMatchObject(choice);
  });

  test.each(backends)("can be forced with REXEC_PTY=%s; the fallback is told once", async (backend) => {
    const reason = `REXEC_PTY=${backend} asks for it`;
    expect(await chosen({ REXEC_PTY: backend })).toMatchObject({
      backend,
      served: backend,
      reason,
      told: backend === "bun" ? [reason] : [],
      exitCode: 9,
    });
  });
});
