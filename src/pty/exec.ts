/** Makes another program of this process: the same pid, the same descriptors but for those that are closed on exec. */
import { ptr } from "bun:ffi";
import { errno, libc } from "./libc.ts";

/**
 * Returns only where it fails. Everything of this process that is not in the kernel is gone then: close first what
 * should be closed.
 *
 * @param args behind the program's name
 * @throws Error with the errno
 */
export function execute(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): never {
  const set = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  // Held until the call: it reads them.
  const [file, argv, envp] = [cString(path), strings([path, ...args]), strings(set)];
  libc().execve(file, argv.pointers, envp.pointers);
  throw new Error(
    `cannot execute ${path} (errno ${errno()}; ${argv.held.length + envp.held.length} strings)`,
  );
}

// --- internal ---

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** A `char *[]`, which ends with a null pointer. */
function strings(texts: readonly string[]): { pointers: BigUint64Array; held: readonly Buffer[] } {
  const held = texts.map(cString);
  return { pointers: BigUint64Array.from([...held.map((buffer) => BigInt(ptr(buffer))), 0n]), held };
}
