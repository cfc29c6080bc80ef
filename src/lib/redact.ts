/**
 * Blanks the secrets in a text: our tokens, JWTs, what follows `token=`, `Bearer` and `rexec.token.`, and passwords in
 * addresses (a proxy's, for example).
 */
export function redact(text: string): string {
  return text
    .replace(/(rexec_(?:[a-z]+_)?[0-9a-f]{6})[0-9a-f]*/gi, "$1…")
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, "eyJ…")
    .replace(/(token(?:=|%3d)["']?)(?!rexec_|eyJ…)[^&\s"']+/gi, "$1…")
    .replace(/(bearer +|rexec\.token\.)(?!rexec_|eyJ…)[^\s"',]+/gi, "$1…")
    .replace(/(:\/\/[^\s/:@"']*:)[^\s/@"']+@/g, "$1…@");
}
