#!/usr/bin/env bun
/**
 * Builds the executables into dist/, each in one file with the runtime in it, and SHA256SUMS.
 *
 *   bun run build           all four: rexec-agent and rexec for linux on amd64 and arm64, from either of the two
 *   bun run build:native    this machine's pair
 *
 * The same commit gives the same bytes. Three variables change what is stamped in: REXEC_VERSION, REXEC_COMMIT, and
 * REXEC_PUBLIC_KEY, minisign's public key (its text, its one line, or the path of the file), without which the
 * executables update themselves from nowhere. `bun run release` makes and signs all that is handed out.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ensureDeps } from "./scripts/ensure-deps.ts";
import { leaveLimits } from "./scripts/own-limits.ts";
import { RUNTIMES, runtimePath } from "./scripts/runtimes.ts";
import { say } from "./scripts/say.ts";
import { parsePublicKey } from "./src/lib/minisign.ts";

const ROOT = import.meta.dir;
const PROGRAMS = [
  { name: "rexec-agent", entry: "src/rexec-agent.ts" },
  // The worker threads of screens have a program of their own.
  { name: "rexec", entry: "src/rexec.ts", workers: ["src/screen/worker.ts"] },
] as const;
const ARCHITECTURES = ["amd64", "arm64"] as const;

/** A source to start from; the tests have one that is broken on purpose. */
interface Program {
  readonly name: string;
  /** Below the project's folder. */
  readonly entry: string;
  /** The programs of its worker threads, found in it under the same paths. */
  readonly workers?: readonly string[];
}
type Architecture = (typeof ARCHITECTURES)[number];

/** One executable to be made. */
export interface Target {
  /** File name in dist/. */
  file: string;
  program: Program;
  arch: Architecture;
}

/** All executables. */
export const TARGETS: readonly Target[] = ARCHITECTURES.flatMap((arch) =>
  PROGRAMS.map((program) => ({ file: `${program.name}-linux-${arch}`, program, arch })),
);

/** This machine's architecture by the name that the executables carry. */
export function nativeArch(): Architecture {
  if (process.arch === "x64") return "amd64";
  if (process.arch === "arm64") return "arm64";
  throw new Error(`no executable is built for ${process.arch}: only for x64 and arm64`);
}

/** What is stamped into the executables. */
export interface Stamp {
  version: string;
  commit: string;
  /** The minisign public key that verifies their updates, one line; empty for builds without updates. */
  publicKey?: string;
}

/** Makes one executable in a folder of its own and moves it to `outDir` in one step. Answers its size in bytes. */
export async function buildTarget(
  target: Target,
  outDir: string,
  stamp: Stamp = readStamp(),
): Promise<number> {
  const runtime = RUNTIMES[target.arch];
  mkdirSync(outDir, { recursive: true });
  // A folder, not another file name: the name of the output goes into the executable.
  const workshop = mkdtempSync(join(outDir, ".build-"));
  try {
    const outfile = join(workshop, target.file);
    const executablePath = join(workshop, "runtime");
    const executable = readFileSync(runtimePath(ROOT, runtime));
    leaveLimits(executable);
    writeFileSync(executablePath, executable, { mode: 0o755 });
    await Bun.build({
      entrypoints: [target.program.entry, ...(target.program.workers ?? [])].map((entry) =>
        join(ROOT, entry),
      ),
      root: ROOT,
      compile: {
        target: runtime.target,
        executablePath,
        outfile,
        // The working folder may be another user's: its bunfig.toml could preload code, its .env
        // could name another server (oven-sh/bun#25469). test/build plants both.
        autoloadBunfig: false,
        autoloadDotenv: false,
        autoloadTsconfig: false,
        autoloadPackageJson: false,
      },
      // Renamed identifiers collide now and then (oven-sh/bun#28742) and save nothing in a file of 100 MB.
      minify: { whitespace: true, syntax: true, identifiers: false },
      // Modules of `import()` are read when it runs, not at start: half of the time that `version` took.
      splitting: true,
      // Bytecode would save 30 ms at start, but can leave out parts of the program (oven-sh/bun#37770).
      bytecode: false,
      sourcemap: "none",
      define: {
        REXEC_VERSION: JSON.stringify(stamp.version),
        REXEC_COMMIT: JSON.stringify(stamp.commit),
        REXEC_PUBLIC_KEY: JSON.stringify(stamp.publicKey ?? ""),
        "process.env.NODE_ENV": '"production"',
        // Leaves of src/pty/addon.ts the target's branch, and so embeds only its addon.
        "process.arch": JSON.stringify(runtime.cpu),
      },
    });
    const { size } = statSync(outfile);
    renameSync(outfile, join(outDir, target.file));
    return size;
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

/** Writes SHA256SUMS over the executables that are in `outDir`, as `sha256sum -c` reads it. */
export function writeSums(outDir: string): void {
  const lines = TARGETS.map(({ file }) => ({ file, path: join(outDir, file) }))
    .filter(({ path }) => existsSync(path))
    .map(
      ({ file, path }) =>
        `${new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex")}  ${file}\n`,
    );
  const temporary = join(outDir, `.SHA256SUMS.${process.pid}`);
  writeFileSync(temporary, lines.join(""));
  renameSync(temporary, join(outDir, "SHA256SUMS"));
}

/**
 * Version of package.json, the commit (`-dirty` where the sources differ from it) and the public key; the variables
 * that are named above override.
 * @throws Error for a malformed variable
 */
export function readStamp(env: Readonly<Record<string, string | undefined>> = process.env): Required<Stamp> {
  const manifest: unknown = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const named =
    typeof manifest === "object" && manifest && "version" in manifest ? manifest.version : "0.0.0";
  const version = (env.REXEC_VERSION || String(named)).replace(/^v/, "");
  if (!/^\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?$/.test(version)) throw new Error(`"${version}" is no version`);
  return {
    version,
    commit: env.REXEC_COMMIT ?? gitCommit(),
    publicKey: readPublicKey(env.REXEC_PUBLIC_KEY ?? ""),
  };
}

/** Bun caches that node_modules was missing when this process began, and would bundle nothing from it. */
export function startOver(script = import.meta.path): never {
  const { exitCode } = Bun.spawnSync([process.execPath, script, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit"],
  });
  process.exit(exitCode ?? 1);
}

// --- internal ---

function readPublicKey(given: string): string {
  if (given === "") return "";
  const text = !given.includes("\n") && existsSync(given) ? readFileSync(given, "utf8") : given;
  parsePublicKey(text);
  return text.trim().split(/\r?\n/).at(-1) ?? "";
}

function gitCommit(): string {
  const git = (...args: string[]) => {
    const { exitCode, stdout } = Bun.spawnSync(["git", ...args], { cwd: ROOT, stderr: "ignore" });
    return exitCode === 0 ? stdout.toString().trim() : null;
  };
  try {
    const commit = git("rev-parse", "--short=12", "HEAD");
    const changed = git(
      "status",
      "--porcelain",
      "--",
      "src",
      "build.ts",
      "package.json",
      "bun.lock",
      "install-agent.sh",
    );
    return commit ? `${commit}${changed ? "-dirty" : ""}` : "unknown";
  } catch {
    return "unknown"; // there is no git here
  }
}

async function main(args: readonly string[]): Promise<void> {
  const unknown = args.find((arg) => arg !== "--native");
  if (unknown) throw new Error(`unknown argument ${unknown}: there is only --native (this machine's pair)`);
  const targets = args.includes("--native") ? TARGETS.filter(({ arch }) => arch === nativeArch()) : TARGETS;
  const outDir = join(ROOT, "dist");
  const stamp = readStamp();
  say(`building rexec ${stamp.version} (${stamp.commit})`);
  for (const target of targets) {
    const start = performance.now();
    const size = await buildTarget(target, outDir, stamp);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    say(`  dist/${target.file.padEnd(26)}${(size / 1e6).toFixed(1).padStart(6)} MB${seconds.padStart(6)} s`);
  }
  writeSums(outDir);
  say("  dist/SHA256SUMS");
}

if (import.meta.main) {
  if (await ensureDeps()) startOver();
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    const causes = error instanceof AggregateError ? error.errors : [error];
    for (const cause of causes) say(`error: ${cause instanceof Error ? cause.message : String(cause)}`);
    process.exit(1);
  }
}
