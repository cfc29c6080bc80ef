/**
 * Blanks the secrets in a text: our tokens, JWTs, what follows `token=`, `Bearer` and `rexec.token.`, and passwords in
 * addresses (a proxy's, for example).
 */
export function redact(text: string): string {
  return text
    .replace(/rexec_(?:[a-z]{1,8}_)?[0-9a-f]{6,}/gi, (token) => `${token.slice(0, 12)}…`)
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, "eyJ…")
    .replace(/(token(?:=|%3d)["']?)(?!rexec_|eyJ…)[^&\s"']+/gi, "$1…")
    .replace(/(bearer +|rexec\.token\.)(?!rexec_|eyJ…)[^\s"',]+/gi, "$1…")
    .replace(/(:\/\/[^\s/:@"']*:)[^\s/@"']+@/g, "$1…@");
}
