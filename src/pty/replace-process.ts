/** execve(2): another program replaces this process, and keeps its pid, its children and some descriptors. */
import { ptr } from "bun:ffi";
import { readdirSync } from "node:fs";
import { constants } from "node:os";
import { toBytes } from "../lib/os-string.ts";
import { errno, libc, setCloseOnExec } from "./libc.ts";
import { withOpenFilesAsBefore } from "./open-files.ts";

/** The program that replaces this process. */
export interface Replacement {
  /** Absolute path of the program. */
  path: string;
  /** With argv[0]. */
  argv: readonly string[];
  /** A value may be one of `fromBytes`. */
  env: Readonly<Record<string, string | undefined>>;
  /** Descriptors with CLOEXEC that stay open. */
  keep: readonly number[];
  /** Signals that are ignored until the new program handles them: an early one would end it. */
  shield?: readonly number[];
}

/** The program cannot be executed; this process is unchanged. */
export class ExecError extends Error {
  override readonly name = "ExecError";
  /** Such as `ENOENT`. */
  readonly code: string;

  constructor(path: string, errno: number) {
    const code =
      Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
    super(`${path} cannot be executed: ${code}`);
    this.code = code;
  }
}

/** All descriptors of this process, including the listing's own. */
export function openDescriptors(): number[] {
  return readdirSync("/proc/self/fd").map(Number);
}

/** Sets CLOEXEC on every descriptor but stdin, stdout and stderr. */
export function closeAllOnExec(): void {
  for (const fd of openDescriptors()) if (fd > 2) closeOnExec(fd);
}

/** Does not return. Descriptors without CLOEXEC stay open too. @throws ExecError */
export function replaceProcess({ path, argv, env, keep, shield = [] }: Replacement): never {
  const program = cString(path);
  const args = cStrings(argv);
  const variables = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const environment = cStrings(variables.map(([name, value]) => `${name}=${value}`));
  const unshield = shield.map(ignoreSignal);
  for (const fd of keep) setCloseOnExec(fd, false);
  const why = withOpenFilesAsBefore(() => {
    libc().execve(program, args.pointers, environment.pointers);
    return errno();
  });
  for (const fd of keep) setCloseOnExec(fd, true);
  for (const undo of unshield) undo();
  throw new ExecError(path, why);
}

// --- internal ---

const SIG_IGN = 1n;
/** Larger than `struct sigaction` of any libc (152 bytes on Linux); its first word is the handler. */
const SIGACTION_BYTES = 256;

function closeOnExec(fd: number): void {
  try {
    setCloseOnExec(fd, true);
  } catch {
    // the listing's own
  }
}

/** @returns a function that undoes it */
function ignoreSignal(signal: number): () => void {
  const before = new Uint8Array(SIGACTION_BYTES);
  const ignore = new BigUint64Array(SIGACTION_BYTES / 8);
  ignore[0] = SIG_IGN;
  libc().sigaction(signal, ignore, before);
  return () => void libc().sigaction(signal, before, null);
}

function cString(text: string): Uint8Array {
  return Buffer.concat([toBytes(text), Uint8Array.of(0)]);
}

/** A null-terminated array of pointers, and the strings that they point to: keep both alive. */
function cStrings(texts: readonly string[]): { pointers: BigUint64Array; strings: Uint8Array[] } {
  const strings = texts.map(cString);
  const pointers = new BigUint64Array(strings.length + 1);
  for (const [index, string] of strings.entries()) pointers[index] = BigInt(ptr(string));
  return { pointers, strings };
}
