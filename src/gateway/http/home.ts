/** `/`: a plain page that says what this is, until there is a dashboard. */
import { VERSION } from "../../lib/version.ts";
import { html } from "./pages/html.ts";
import { renderPage } from "./pages/page.ts";

export function homePage(publicUrl: string): Response {
  return renderPage({
    title: "Gateway",
    // The page shows the address that it was asked for by: no cache may show it to others.
    body: html`<h1>Rexec gateway</h1>
<p>This gateway is running (version ${VERSION}).</p>
<p><a href="account">Your account</a></p>
<h2>Add a machine</h2>
<p>On the machine, with a token of yours (as root for the whole machine, or for your own account):</p>
<pre>curl -fsSL ${publicUrl}/install-agent.sh | REXEC_TOKEN=rexec_… sh</pre>
<p>For the whole machine through sudo, which drops the environment unless it is told:</p>
<pre>curl -fsSL ${publicUrl}/install-agent.sh | REXEC_TOKEN=rexec_… sudo --preserve-env=REXEC_TOKEN sh</pre>
<p>That installs rexec-agent, registers the machine, and starts it as a service.</p>
<p>Or, where rexec-agent is installed already:</p>
<pre>rexec-agent register --host ${publicUrl}
rexec-agent start</pre>
<h2>Reach it</h2>
<pre>rexec login --host ${publicUrl}
rexec ls
rexec connect NAME</pre>`,
  });
}
