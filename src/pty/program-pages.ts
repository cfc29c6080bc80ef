/** Lets go of those pages of the program that only its start needed. */
import { readFileSync, readlinkSync } from "node:fs";
import { libc } from "./libc.ts";

const MADV_DONTNEED = 4;

/**
 * Unmaps the pages of this executable's code. What is still used is mapped again at its next use, from the page cache: some
 * microseconds each. Of an idle agent that is a quarter of its memory (55 → 42 MB RSS; measured on Bun 1.4.5, x86-64).
 * Code is never written to, so nothing can be lost. @returns bytes of the mappings
 */
export function releaseProgramPages(): number {
  const program = readlinkSync("/proc/self/exe");
  let released = 0;
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [range = "", rights] = line.split(" ", 2);
    if (rights !== "r-xp" || !line.endsWith(` ${program}`)) continue;
    const [from, to] = range.split("-").map((address) => BigInt(`0x${address}`));
    if (from === undefined || to === undefined) continue;
    if (libc().madvise(from, to - from, MADV_DONTNEED) === 0) released += Number(to - from);
  }
  return released;
}
