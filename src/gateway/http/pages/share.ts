/** The page behind a share's link: how to look at the session. The token stays in the browser's address bar. */
import { html } from "./html.ts";
import { renderPage } from "./page.ts";

/** `GET /share` */
export function sharePage(publicUrl: string): Response {
  return renderPage({
    title: "A shared session",
    body: html`
<h1>A shared session</h1>
<p>You were given a link to one terminal session of a machine. Look at it from a terminal of yours, with the command
<code>rexec</code>:</p>
<pre>rexec connect --share '${publicUrl}/share#rexec_share_…'</pre>
<p>Put the whole address of this page between the quotation marks, with everything behind the <code>#</code>. That part is the
key to the session: your browser does not send it, and you should not pass it on.</p>
<p>The link works until the session ends, the link expires, or its maker takes it back. The key that leaves is Ctrl+].</p>`,
  });
}
