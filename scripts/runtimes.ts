/**
 * The Bun executables of the builds: one for each target, from the npm registry, checked against the sums below.
 * `Bun.build` would fetch them itself, but without a check (oomol-lab/open-connector#485).
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageCache } from "./ensure-deps.ts";

/** The runtime of one target. `process.arch` and npm's `cpu` are `x64` or `arm64`. */
export interface Runtime {
  cpu: "x64" | "arm64";
  /** Its name for `Bun.build`. */
  target: "bun-linux-x64" | "bun-linux-arm64";
  package: string;
  version: string;
  /** The sum of the executable in the package. */
  sha256: string;
}

/** To change Bun's version: change it here and in package.json, run a build, and copy the sums that it prints. */
const VERSION = "1.4.5";

export const RUNTIMES: Record<"amd64" | "arm64", Runtime> = {
  amd64: {
    cpu: "x64",
    target: "bun-linux-x64",
    package: "@oven/bun-linux-x64",
    version: VERSION,
    sha256: "f05d28a3862f4b84395c7fa32480b835dd47482e80b7e7a49a115227f0c06083",
  },
  arm64: {
    cpu: "arm64",
    target: "bun-linux-arm64",
    package: "@oven/bun-linux-aarch64",
    version: VERSION,
    sha256: "04778f1f42399a69d086853e9c7af4acf574b2f21a43d0dc673853d8b84a2923",
  },
};

/**
 * The path of a target's runtime. This machine's own is among the dependencies; the other one is fetched once by
 * Bun's own package manager and kept under node_modules.
 *
 * @throws Error where it cannot be had or has the wrong sum.
 */
export function runtimePath(root: string, runtime: Runtime): string {
  const places = [join(root, "node_modules"), join(cacheFolder(root, runtime), "node_modules")];
  const inside = join(...runtime.package.split("/"), "bin", "bun");
  const found =
    places.map((place) => join(place, inside)).find(existsSync) ?? fetchRuntime(root, runtime, inside);
  const sum = new Bun.CryptoHasher("sha256").update(readFileSync(found)).digest("hex");
  if (sum === runtime.sha256) return found;
  throw new Error(
    `${found} is not the ${runtime.package}@${runtime.version} that scripts/runtimes.ts names: ${sum}`,
  );
}

// --- internal ---

function cacheFolder(root: string, runtime: Runtime): string {
  return join(root, "node_modules", ".cache", `rexec-${runtime.target}-${runtime.version}`);
}

function fetchRuntime(root: string, runtime: Runtime, inside: string): string {
  const folder = cacheFolder(root, runtime);
  // Another build may do the same: each fetches into a folder of its own, and the rename decides.
  const mine = `${folder}.${process.pid}`;
  mkdirSync(mine, { recursive: true });
  writeFileSync(join(mine, "package.json"), '{ "private": true }\n');
  const { exitCode, stderr } = Bun.spawnSync(
    [
      process.execPath,
      "add",
      "--exact",
      "--os",
      "linux",
      "--cpu",
      runtime.cpu,
      `${runtime.package}@${runtime.version}`,
    ],
    {
      cwd: mine,
      env: { ...process.env, BUN_INSTALL_CACHE_DIR: packageCache() },
      stdout: "ignore",
      stderr: "pipe",
    },
  );
  if (exitCode !== 0)
    throw new Error(`cannot fetch ${runtime.package}@${runtime.version}: ${stderr.toString().trim()}`);
  try {
    renameSync(mine, folder);
  } catch {
    return join(mine, "node_modules", inside);
  }
  return join(folder, "node_modules", inside);
}
