/**
 * Keeps the runtime from raising the limit of open files. Bun raises the soft limit to the hard one before the first line
 * of a program runs, and does not keep the original: shells would inherit 20000 or a million where the machine's owner set
 * 1024 (programs that use select(2) break beyond it, others close every possible descriptor in a loop). Bun has no switch
 * for it, so its import of `setrlimit` is bound to `getrlimit`: it reads the limits once more instead, and
 * `src/pty/open-files.ts` raises them where they are needed.
 */

const FROM = "setrlimit";
const TO = "getrlimit";
/** Section types of ELF: the table of dynamic symbols, and that of their versions. */
const SHT_DYNSYM = 11;
const SHT_GNU_VERSYM = 0x6fffffff;
const SYMBOL_BYTES = 24;

/**
 * Rebinds the import in the bytes of a 64-bit little-endian ELF executable.
 * @throws Error unless the executable has both imports, once each, of the same version of the C library
 */
export function leaveLimits(elf: Buffer): void {
  const { symbols, names, versions } = dynamicSymbols(elf);
  const find = (name: string) => {
    const found = symbols.filter((at) => nameAt(elf, names + elf.readUInt32LE(at)) === name);
    const [at] = found;
    if (at === undefined || found.length > 1)
      throw new Error(
        `the runtime imports ${name} ${found.length} times, not once: see scripts/own-limits.ts`,
      );
    return { at, version: elf.readUInt16LE(versions + 2 * symbols.indexOf(at)) };
  };
  const [from, to] = [find(FROM), find(TO)];
  if (from.version !== to.version)
    throw new Error(`the runtime imports ${FROM} and ${TO} of different versions: see scripts/own-limits.ts`);
  elf.writeUInt32LE(elf.readUInt32LE(to.at), from.at); // st_name is the first field
}

// --- internal ---

/** File offsets: of each dynamic symbol, of their names, of their versions. */
function dynamicSymbols(elf: Buffer): { symbols: number[]; names: number; versions: number } {
  const sections = sectionsOf(elf);
  const table = sections.find(({ type }) => type === SHT_DYNSYM);
  const names = sections[table?.link ?? -1];
  const versions = sections.find(({ type }) => type === SHT_GNU_VERSYM);
  if (!table || !names || !versions) throw new Error("the runtime has no table of dynamic symbols");
  const count = table.size / SYMBOL_BYTES;
  const symbols = Array.from({ length: count }, (_, index) => table.offset + index * SYMBOL_BYTES);
  return { symbols, names: names.offset, versions: versions.offset };
}

/** elf(5): e_shoff at 0x28, e_shentsize and e_shnum at 0x3a. */
function sectionsOf(elf: Buffer): { type: number; offset: number; size: number; link: number }[] {
  const [start, each, count] = [
    Number(elf.readBigUInt64LE(0x28)),
    elf.readUInt16LE(0x3a),
    elf.readUInt16LE(0x3c),
  ];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * each;
    return {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 0x18)),
      size: Number(elf.readBigUInt64LE(at + 0x20)),
      link: elf.readUInt32LE(at + 0x28),
    };
  });
}

function nameAt(elf: Buffer, at: number): string {
  return elf.toString("latin1", at, elf.indexOf(0, at));
}
