/**
 * Blanks the secrets in a text: our tokens, JWTs, what follows `token=`, `Bearer` and `rexec.token.`, and passwords in
 * addresses (a proxy's, for example).
 */
export function redact(text: string): string {
  return text
    .replace(/rexec_(?:[a-z]+_)?[0-9a-f]{6,}/gi, shortened)
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, "eyJ…")
    .replace(/(token(?:=|%3d)["']?)(?!rexec_|eyJ…)[^&\s"']+/gi, "$1…")
    .replace(/(bearer +|rexec\.token\.)(?!rexec_|eyJ…)[^\s"',]+/gi, "$1…")
    .replace(/(:\/\/[^\s/:@"']*:)[^\s/@"']+@/g, "$1…@");
}

// --- internal ---

/** Its kind and the digits that lists show: `rexec_012345…`, `rexec_join_012345…`. */
function shortened(token: string): string {
  return `${token.slice(0, token.lastIndexOf("_") + 7)}…`;
}
