/**
 * Checks format, lint, layers, types, docstrings and shell scripts. `--fix` corrects what it can.
 * The layers and the import cycles are rules of biome.json.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureDeps } from "./ensure-deps.ts";
import { say } from "./say.ts";

const ROOT = join(import.meta.dir, "..");
const SHELL_SCRIPTS = ["install-agent.sh", ".ci/run", ".ci/fresh", "scripts/sweep.sh", "test/systemd/box.sh"];

await ensureDeps();
const fix = process.argv.includes("--fix");
const colours = process.stdout.isTTY ? [] : ["--colors=off"];
const results = [
  run("format, lint, layers (biome)", [
    tool("@biomejs/biome", "biome"),
    fix ? "check" : "ci",
    ...(fix ? ["--write"] : []),
    ...colours,
    ".",
  ]),
  run("types (tsc)", [tool("typescript", "tsc"), "--noEmit", "-p", "."]),
  await docstrings(),
  shellcheck(),
];
process.exit(results.every(Boolean) ? 0 : 1);

/** The tools are JavaScript with Node's name in the first line; Node may not be here, but this Bun is. */
function tool(name: string, command: string): string {
  const folder = join(ROOT, "node_modules", ...name.split("/"));
  const manifest: { bin: Record<string, string> } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  );
  return join(folder, manifest.bin[command] ?? "");
}

function run(what: string, command: string[]): boolean {
  const { success } = Bun.spawnSync([process.execPath, ...command], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  say(`${success ? "ok  " : "FAIL"} ${what}`);
  return success;
}

async function docstrings(): Promise<boolean> {
  const { DOCUMENTED, undocumented } = await import("./docstrings.ts"); // which needs a dependency
  const missing = await undocumented(ROOT, DOCUMENTED);
  for (const each of missing) say(`${each} has no docstring: add one to three lines right above it`);
  say(`${missing.length === 0 ? "ok  " : "FAIL"} docstrings`);
  return missing.length === 0;
}

function shellcheck(): boolean {
  const path = Bun.which("shellcheck");
  if (!path) {
    say("skip shell scripts: shellcheck is not installed");
    return true;
  }
  const { success } = Bun.spawnSync([path, ...SHELL_SCRIPTS], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  say(`${success ? "ok  " : "FAIL"} shell scripts (shellcheck)`);
  return success;
}
