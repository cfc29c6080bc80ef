/** Ids and names as segments of a URL's path. */

/**
 * The text as one segment of a path. A URL cannot write an empty segment, `.` or `..`, encoded or not: each would name the
 * parent, and a DELETE would delete that.
 * @throws RangeError for those three
 */
export function pathSegment(text: string): string {
  if (!isPathSegment(text))
    throw new RangeError(`"${text}" cannot stand in an address: nothing can be called so`);
  return encodeURIComponent(text.toWellFormed());
}

/** False for the texts that `pathSegment` refuses: nothing with a URL of its own may have such a name. */
export function isPathSegment(text: string): boolean {
  return text !== "" && text !== "." && text !== "..";
}
