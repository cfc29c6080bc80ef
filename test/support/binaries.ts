/** The executables in dist/, for the tests that drive them. `bun run build:native` makes this machine's pair. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

const DIST = join(import.meta.dir, "..", "..", "dist");

/** Go's name of this machine's architecture. */
export const NATIVE = process.arch === "arm64" ? "arm64" : "amd64";

/**
 * The path of an executable that was built before.
 * @throws Error with the command that builds it where it is missing
 */
export function binary(program: "rexec" | "rexec-agent", arch: "amd64" | "arm64" = NATIVE): string {
  const path = join(DIST, `${program}-linux-${arch}`);
  if (existsSync(path) && statSync(path).size > 0) return path;
  const command = arch === NATIVE ? "bun run build:native" : "bun run build";
  throw new Error(`${path} is missing: run \`${command}\` first (\`bun run test\` does)`);
}

/** The folder of the executables, as `rexec serve` hands them out. */
export const distFolder = DIST;

/**
 * The words that run an arm64 executable on this machine, or why there are none: as it is on arm64, else under
 * qemu's user mode with Debian's libc6-arm64-cross.
 */
export function arm64Runner(): { command: string[] } | { missing: string } {
  if (process.arch === "arm64") return { command: [] };
  const qemu = Bun.which("qemu-aarch64-static") ?? Bun.which("qemu-aarch64");
  if (!qemu) return { missing: "qemu-aarch64-static is not installed (Debian: qemu-user-static)" };
  const sysroot = "/usr/aarch64-linux-gnu";
  for (const [library, name] of [
    ["libc.so.6", "libc6-arm64-cross"],
    ["libstdc++.so.6", "libstdc++6-arm64-cross"],
  ] as const) {
    if (!existsSync(join(sysroot, "lib", library)))
      return { missing: `${library} for arm64 is not installed (Debian: ${name})` };
  }
  return { command: [qemu, "-L", sysroot] };
}
