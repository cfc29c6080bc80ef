/**
 * Raw mode as ssh has it. `setRawMode` of Node and Bun leaves the terminal's output processing on: every line feed of a
 * remote program would also return the cursor to the first column (measured on Bun 1.4.5: `\r\n`
 * arrived as `\r\r\n`).
 */
import { libc } from "./libc.ts";

/** Larger than `struct termios` of any libc (60 bytes on Linux, 72 on macOS): it is only handed through. */
const TERMIOS_BYTES = 256;
const AT_ONCE = 0; // TCSANOW

/** A terminal in raw mode. Its owner restores it on every way out. */
export interface RawMode {
  /** Sets it again, after another program has changed the terminal. */
  again(): void;
  /** Restores the earlier mode; may be called more than once. */
  restore(): void;
}

/**
 * Switches the terminal at `fd` to raw mode.
 * @throws Error where `fd` is no terminal
 */
export function enterRawMode(fd: number): RawMode {
  const before = new Uint8Array(TERMIOS_BYTES);
  if (libc().tcgetattr(fd, before) !== 0) throw new Error(`descriptor ${fd} is no terminal`);
  const raw = before.slice();
  libc().cfmakeraw(raw);
  const set = (settings: Uint8Array) => libc().tcsetattr(fd, AT_ONCE, settings);
  if (set(raw) !== 0) throw new Error(`the terminal at descriptor ${fd} cannot be set to raw mode`);
  return { again: () => void set(raw), restore: () => void set(before) };
}
