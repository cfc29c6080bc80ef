/** Compression as a link uses it. The runtime hands it in: `lib/zstd.ts` on Bun, a decoder alone in a browser. */

/** Owned by the process, stateless. */
export interface Zstd {
  /** The compressed bytes. Null where this runtime has no compressor: frames then travel plain. */
  readonly compress: ((plain: Uint8Array) => Uint8Array) | null;
  /** Exactly `length` plain bytes; null where the bytes are not zstd, or become more or fewer. Never allocates more. */
  decompress(packed: Uint8Array, length: number): Uint8Array | null;
}
