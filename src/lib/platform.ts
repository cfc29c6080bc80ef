/** This machine in Go's names, as the protocol has them. */
import { readFileSync } from "node:fs";
import { arch, platform } from "node:os";

/** `linux`, `darwin`, … */
export function goOs(): string {
  return platform() === "win32" ? "windows" : platform();
}

/** `amd64`, `arm64`, … */
export function goArch(): string {
  const name = arch();
  return name === "x64" ? "amd64" : name === "arm" ? "armv7" : name === "ia32" ? "386" : name;
}

/** The `ID` of os-release (`debian`, `alpine`), or undefined where there is none. */
export function distro(
  files: readonly string[] = ["/etc/os-release", "/usr/lib/os-release"],
): string | undefined {
  for (const file of files) {
    try {
      const line = readFileSync(file, "utf8").match(/^ID=(.*)$/m)?.[1];
      if (line) return line.trim().replace(/^["']|["']$/g, "");
    } catch {
      // The next place.
    }
  }
  return undefined;
}
