/** `/`: a plain page that says what this is, until there is a dashboard. */
import { createHash } from "node:crypto";
import { VERSION } from "../../lib/version.ts";

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color-scheme: light dark; }
pre { padding: .75rem 1rem; border: 1px solid #8886; border-radius: 6px; overflow-x: auto; }
`;

/** No script, no picture, no frame: only this one style sheet. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function homePage(publicUrl: string): Response {
  const url = Bun.escapeHTML(publicUrl);
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rexec gateway</title>
<style>${STYLE}</style>
<h1>Rexec gateway</h1>
<p>This gateway is running (version ${Bun.escapeHTML(VERSION)}).</p>
<h2>Add a machine</h2>
<p>On the machine, with a token of yours (as root for the whole machine, or for your own account):</p>
<pre>curl -fsSL ${url}/install-agent.sh | REXEC_TOKEN=rexec_… sh</pre>
<p>For the whole machine through sudo, which drops the environment unless it is told:</p>
<pre>curl -fsSL ${url}/install-agent.sh | REXEC_TOKEN=rexec_… sudo --preserve-env=REXEC_TOKEN sh</pre>
<p>That installs rexec-agent, registers the machine, and starts it as a service.</p>
<p>Or, where rexec-agent is installed already:</p>
<pre>rexec-agent register --host ${url}
rexec-agent start</pre>
<h2>Reach it</h2>
<pre>rexec login --host ${url}
rexec ls
rexec connect NAME</pre>
</html>
`;
  return new Response(page, {
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": POLICY,
      // The page shows the address that it was asked for by: a cache would show it to others.
      "Cache-Control": "no-store",
    },
  });
}
