/**
 * Installs the dependencies if they are missing or if bun.lock has changed, so that every script of
 * package.json works in a fresh clone. Imports nothing that would have to be installed first.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "./say.ts";

const ROOT = join(import.meta.dir, "..");
const STAMP = join(ROOT, "node_modules", ".rexec-lock");

/**
 * Returns when `node_modules` matches bun.lock. Ends the process where the installation fails.
 * @returns whether it installed anything
 */
export async function ensureDeps(): Promise<boolean> {
  const wanted = lockSum();
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return false;
  say("installing dependencies (bun install --frozen-lockfile)");
  // The very Bun that runs this: there may be no `bun` in PATH.
  const install = Bun.spawn([process.execPath, "install", "--frozen-lockfile"], {
    cwd: ROOT,
    // In the checkout, so that nothing stays in the account's home, which may not even be writable.
    env: { ...process.env, BUN_INSTALL_CACHE_DIR: packageCache() },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([install.stdout.text(), install.stderr.text(), install.exited]);
  if (code !== 0) {
    say(`${out}${err}`.trim());
    say("error: the dependencies could not be installed\nhint: check the network and the npm registry");
    process.exit(1);
  }
  writeFileSync(STAMP, wanted);
  return true;
}

/** Bun's package cache: in the checkout, unless the environment names another place. */
export function packageCache(): string {
  return process.env.BUN_INSTALL_CACHE_DIR || join(ROOT, "node_modules", ".cache", "bun");
}

// --- internal ---

function lockSum(): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const file of ["bun.lock", "package.json"]) hasher.update(readFileSync(join(ROOT, file)));
  return hasher.digest("hex");
}

if (import.meta.main) await ensureDeps();
