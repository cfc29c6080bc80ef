#!/usr/bin/env bun
/**
 * Makes a complete dist/ for distribution: the executables, each also as .gz and .xz, the installer, a bill of
 * materials, SHA256SUMS, and, where there is a key, a .minisig of each and the public key.
 *
 *   REXEC_SIGNING_KEY=FILE bun run release      signed; the public half is built in and verifies updates
 *   bun run release                             unsigned: such executables never update themselves
 *   bun run release --out DIR                   to another folder than dist
 *   bun run release --new-key FILE              makes a key pair: FILE (keep it secret) and FILE.pub
 *
 * REXEC_SIGNING_KEY is an unencrypted secret key of minisign, its text or its path. REXEC_VERSION, REXEC_COMMIT and
 * REXEC_PUBLIC_KEY are as in build.ts. The same commit and the same key give the same bytes; the only time in them is
 * SOURCE_DATE_EPOCH, else that of the commit.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join, resolve } from "node:path";
import { buildTarget, readStamp, type Stamp, startOver, TARGETS, type Target } from "../build.ts";
import { ensureDeps } from "./ensure-deps.ts";
import { say } from "./say.ts";
import { newKeyPair, publicKeyText, readSigningKey, type SigningKey, signFile } from "./signing.ts";

const ROOT = join(import.meta.dir, "..");
const INSTALLER = "install-agent.sh";
const SBOM = "rexec.cdx.json";
const PUBLIC_KEY = "rexec.pub";
const SUMS = "SHA256SUMS";
/** Of zlib: 6 % smaller at 12, and eight times as long. */
const GZIP_LEVEL = 9;

/** What a release is made of. */
export interface ReleaseOptions {
  outDir: string;
  stamp: Stamp;
  /** Unix seconds. */
  time: number;
  key: SigningKey | null;
  targets?: readonly Target[];
  /** xz's, 0 to 9. */
  xzPreset?: number;
  tell?(line: string): void;
}

/**
 * Makes the files in a folder of its own and moves each to `outDir` when all are there. Answers their names, sorted.
 * @throws Error where a build or xz fails
 */
export async function makeRelease(options: ReleaseOptions): Promise<string[]> {
  const { outDir, stamp, time, key, targets = TARGETS, xzPreset = 6, tell = say } = options;
  if (targets.length > 0 && !Bun.which("xz"))
    throw new Error("xz is not installed, which packs a release (Debian: xz-utils)");
  mkdirSync(outDir, { recursive: true });
  const folder = mkdtempSync(join(outDir, ".release-"));
  try {
    const plain = targets.map(({ file }) => file);
    for (const target of targets) await buildTarget(target, folder, stamp);
    tell(`  ${targets.length} executables; packing them`);
    await eachOf(plain, availableParallelism(), (file) => pack(folder, file, xzPreset));
    copyFileSync(join(ROOT, INSTALLER), join(folder, INSTALLER));
    chmodSync(join(folder, INSTALLER), 0o755);
    if (key) writeFileSync(join(folder, PUBLIC_KEY), publicKeyText(key));
    const packed = plain.flatMap((file) => [file, `${file}.gz`, `${file}.xz`]);
    packed.push(INSTALLER, ...(key ? [PUBLIC_KEY] : []));
    const files = packed.sort().map((name) => ({ name, sha256: sha256(join(folder, name)) }));
    const { makeSbom } = await import("./sbom.ts"); // which needs a dependency
    writeFileSync(join(folder, SBOM), makeSbom(ROOT, { ...stamp, time }, files));
    const listed = [...files, { name: SBOM, sha256: sha256(join(folder, SBOM)) }];
    listed.sort((a, b) => (a.name < b.name ? -1 : 1));
    writeFileSync(join(folder, SUMS), listed.map(({ name, sha256: sum }) => `${sum}  ${name}\n`).join(""));
    const made = [...listed.map(({ name }) => name), SUMS];
    if (key) for (const name of [...made]) made.push(sign(folder, name, key, options));
    // Signatures of an earlier release would belong to nothing; SHA256SUMS comes last, when all that it lists is there.
    for (const name of [...made, PUBLIC_KEY]) rmSync(join(outDir, `${name}.minisig`), { force: true });
    rmSync(join(outDir, PUBLIC_KEY), { force: true });
    const isSums = (name: string) => Number(name.startsWith(SUMS));
    for (const name of made.toSorted((a, b) => isSums(a) - isSums(b))) {
      renameSync(join(folder, name), join(outDir, name));
    }
    return made.sort();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The signed description of a file, so that no file can pass for another one. */
export function trustedComment(name: string, version: string, time: number): string {
  return `timestamp:${time}\tfile:${name}\tversion:${version}\thashed`;
}

// --- internal ---

/** No time and no name stand in either: `Bun.gzipSync` writes none, and the format of xz has none. */
async function pack(folder: string, file: string, preset: number): Promise<void> {
  const path = join(folder, file);
  writeFileSync(`${path}.gz`, Bun.gzipSync(readFileSync(path), { level: GZIP_LEVEL, library: "libdeflate" }));
  // One thread: with more of them the output is another one.
  const xz = Bun.spawn(["xz", "--format=xz", "--check=crc64", "--threads=1", `-${preset}`, "--keep", path], {
    stdin: "ignore",
    stderr: "pipe",
    env: { PATH: process.env.PATH },
  });
  const [code, said] = [await xz.exited, await xz.stderr.text()];
  if (code !== 0) throw new Error(`xz could not pack ${file}: ${said.trim()}`);
  for (const packed of [`${path}.gz`, `${path}.xz`]) chmodSync(packed, 0o644);
}

function sign(folder: string, name: string, key: SigningKey, { stamp, time }: ReleaseOptions): string {
  const text = signFile(readFileSync(join(folder, name)), key, trustedComment(name, stamp.version, time));
  writeFileSync(join(folder, `${name}.minisig`), text);
  return `${name}.minisig`;
}

function sha256(path: string): string {
  return new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
}

async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), else the time of the commit. */
function releaseTime(env: Readonly<Record<string, string | undefined>>): number {
  const given = env.SOURCE_DATE_EPOCH;
  if (given && !/^\d{1,11}$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH is no time: "${given}"`);
  if (given) return Number(given);
  const git = Bun.spawnSync(["git", "log", "-1", "--format=%ct"], { cwd: ROOT, stderr: "ignore" });
  return Number(git.stdout.toString().trim()) || 0;
}

function makeKey(path: string): void {
  if (existsSync(path)) throw new Error(`${path} exists already`);
  const { secretText, publicText } = newKeyPair();
  writeFileSync(path, secretText, { mode: 0o600, flag: "wx" });
  writeFileSync(`${path}.pub`, publicText);
  say(`made ${path}, which is secret and has no password, and ${path}.pub`);
}

async function main(args: readonly string[]): Promise<void> {
  const [option, value, ...more] = args;
  if (more.length > 0 || (option !== undefined && !(["--out", "--new-key"].includes(option) && value))) {
    throw new Error(`cannot read "${args.join(" ")}": there are --out DIR and --new-key FILE`);
  }
  if (option === "--new-key" && value) return makeKey(resolve(value));
  const given = process.env.REXEC_SIGNING_KEY;
  const key = given ? readSigningKey(given) : null;
  const own = key ? publicKeyText(key) : "";
  const stamp = readStamp({ ...process.env, REXEC_PUBLIC_KEY: process.env.REXEC_PUBLIC_KEY || own });
  const outDir = value ? resolve(value) : join(ROOT, "dist");
  say(`releasing rexec ${stamp.version} (${stamp.commit}) to ${outDir}`);
  const made = await makeRelease({ outDir, stamp, time: releaseTime(process.env), key });
  for (const name of made) say(`  ${basename(name)}`);
  if (key) say(`signed; check with: minisign -V -P ${publicKeyText(key).split("\n")[1]} -m FILE`);
  else say("UNSIGNED: there was no REXEC_SIGNING_KEY, so no agent will take this as an update");
}

if (import.meta.main) {
  if (await ensureDeps()) startOver(import.meta.path);
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    const causes = error instanceof AggregateError ? error.errors : [error];
    for (const cause of causes) say(`error: ${cause instanceof Error ? cause.message : String(cause)}`);
    process.exit(1);
  }
}
