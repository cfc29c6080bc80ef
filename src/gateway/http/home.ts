/** `/`: a plain page that says what this is, until there is a dashboard. */
import { installLines } from "../../lib/install-lines.ts";
import { VERSION } from "../../lib/version.ts";
import { html } from "./pages/html.ts";
import { renderPage } from "./pages/page.ts";

export function homePage(publicUrl: string): Response {
  const lines = installLines(publicUrl, "rexec_join_…");
  return renderPage({
    title: "Gateway",
    // The page shows the address that it was asked for by: no cache may show it to others.
    body: html`<h1>Rexec gateway</h1>
<p>This gateway is running (version ${VERSION}).</p>
<p><a href="account">Your account</a></p>
<h2>Add a machine</h2>
<p>Make a join token, which registers one machine and does nothing else. It is printed with the line to paste:</p>
<pre>rexec join create</pre>
<p>On the machine (as root for the whole machine, or for your own account):</p>
<pre>${lines.curl}</pre>
<p>Without curl:</p>
<pre>${lines.wget}</pre>
<p>For the whole machine through sudo, which drops the environment unless it is told:</p>
<pre>${lines.sudo}</pre>
<p>That installs rexec-agent, registers the machine, and starts it as a service.</p>
<p>Or, where rexec-agent is installed already:</p>
<pre>${lines.register}
rexec-agent start</pre>
<h2>Reach it</h2>
<pre>rexec login --host ${publicUrl}
rexec ls
rexec connect NAME</pre>`,
  });
}
