/** Ids and names within the path of an address. */

/**
 * The text as one segment of a path. An address has no way to write an empty one, `.` or `..`, encoded or not: each
 * would name what is above it, and a DELETE would end that.
 * @throws RangeError for those three
 */
export function pathSegment(text: string): string {
  if (!isPathSegment(text))
    throw new RangeError(`"${text}" cannot stand in an address: nothing can be called so`);
  return encodeURIComponent(text.toWellFormed());
}

/** False for what `pathSegment` throws at: nothing that has an address of its own may be called so. */
export function isPathSegment(text: string): boolean {
  return text !== "" && text !== "." && text !== "..";
}
