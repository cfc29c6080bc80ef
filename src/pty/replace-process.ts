/** execve(2): another program takes this process over, with its pid, its children and the descriptors it is left. */
import { ptr } from "bun:ffi";
import { readdirSync } from "node:fs";
import { constants } from "node:os";
import { toBytes } from "../lib/os-string.ts";
import { errno, libc, setCloseOnExec } from "./libc.ts";
import { withOpenFilesAsBefore } from "./open-files.ts";

export interface Replacement {
  /** Absolute path of the program. */
  path: string;
  /** With argv[0]. */
  argv: readonly string[];
  /** A value may be one of `fromBytes`. */
  env: Readonly<Record<string, string | undefined>>;
  /** Descriptors that are CLOEXEC and are left open all the same. */
  keep: readonly number[];
  /** Signals that are ignored until the new program has a handler for them: it would be ended by one that comes early. */
  shield?: readonly number[];
}

/** The program cannot be executed; everything is as it was. */
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

/** All descriptors of this process, that of the listing included. */
export function openDescriptors(): number[] {
  return readdirSync("/proc/self/fd").map(Number);
}

/** Leaves nothing open to another program but stdin, stdout and stderr, whatever the runtime has opened. */
export function closeAllOnExec(): void {
  for (const fd of openDescriptors()) if (fd > 2) closeOnExec(fd);
}

/** Does not return. What is open without CLOEXEC stays open too. @throws ExecError */
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

/** @returns what undoes it */
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

/** An array of pointers with a null behind the last, and what they point to, which must stay. */
function cStrings(texts: readonly string[]): { pointers: BigUint64Array; strings: Uint8Array[] } {
  const strings = texts.map(cString);
  const pointers = new BigUint64Array(strings.length + 1);
  for (const [index, string] of strings.entries()) pointers[index] = BigInt(ptr(string));
  return { pointers, strings };
}
