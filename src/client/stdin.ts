/** The whole of an input that ends, with a bound. */

/**
 * Reads to the end.
 * @param tooLarge made and thrown as soon as there is more than `limit` bytes
 */
export async function readAll(
  input: AsyncIterable<Uint8Array>,
  limit: number,
  tooLarge: () => Error,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of input) {
    length += chunk.length;
    if (length > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
