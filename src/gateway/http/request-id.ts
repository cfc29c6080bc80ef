/** The id of a request: in its answer (`X-Request-Id`), in errors and in the log. */

export const REQUEST_ID = "X-Request-Id";

/** Of a proxy's ids, at most 128 characters: nothing that means something to a shell, a page or a log. */
const FORM = /^[\w.:/+=@-]{1,128}$/;

/** @param given what a trusted proxy has called the request; null without one */
export function requestIdOf(given: string | null): string {
  return given !== null && FORM.test(given) ? given : Bun.randomUUIDv7();
}
