/** `/install-agent.sh`, with this gateway's address in it. */
import script from "../../../install-agent.sh" with { type: "text" };

/** The line of the script that is ours to fill in. */
const DEFAULT_LINE = /^REXEC_API_DEFAULT=.*$/m;

/** The installer for agents of the gateway at that address. */
export function installerFor(publicUrl: string): string {
  if (!DEFAULT_LINE.test(script)) throw new Error("install-agent.sh has no line REXEC_API_DEFAULT=…");
  // Single quotes, since nothing means anything in them; a function, since `$&` would in a replacement.
  const quoted = `'${publicUrl.replaceAll("'", `'\\''`)}'`;
  return script.replace(DEFAULT_LINE, () => `REXEC_API_DEFAULT=${quoted}`);
}
