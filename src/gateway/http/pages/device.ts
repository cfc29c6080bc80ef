/** `/device`: the page where a person approves the sign-in of a CLI. */
import type { DeviceCodeRow } from "../../store/device-codes.ts";
import type { UserRow } from "../../store/users.ts";
import { type Html, html } from "./html.ts";
import { renderPage } from "./page.ts";
import type { Problem } from "./sign-in.ts";

/** Asks for the code that the CLI shows. */
export function deviceCodePage(user: UserRow, problem?: Problem): Response {
  return devicePage(
    problem,
    html`<p>Type the code that <code>rexec login</code> shows. It signs that machine in as <strong>${user.username}</strong>.</p>
<form class="fields" method="post" action="device">
<label for="code">Code</label>
<input id="code" name="code" placeholder="BCDF-GHJK" autocomplete="off" autocapitalize="characters" spellcheck="false" required maxlength="32" autofocus>
<button>Go on</button>
</form>`,
  );
}

/** Shows what asks, and asks for the decision. @param code as it was typed */
export function deviceRequestPage(user: UserRow, row: DeviceCodeRow, code: string): Response {
  const all = row.scopes.includes("*");
  return devicePage(
    undefined,
    html`<p><strong>${row.client || "A machine without a name"}</strong> at the address <strong>${row.address}</strong> asks to be signed in as
<strong>${user.username}</strong>${user.is_admin ? ", an administrator" : ""}.</p>
<p>It gets an API token that ${all ? "may do everything that you may" : `has the scopes ${row.scopes.join(", ")}`}. You can revoke the token at any time.</p>
<p class="error">Go on only if you started this sign-in yourself, a moment ago, on that machine.</p>
<form method="post" action="device">
<input type="hidden" name="code" value="${code}">
<button name="decision" value="approve">Approve</button>
<button name="decision" value="refuse">Refuse</button>
</form>`,
  );
}

export function deviceDonePage(row: DeviceCodeRow, isApproved: boolean): Response {
  const what = isApproved ? "is signed in. You can close this page" : "is not signed in";
  return devicePage(
    undefined,
    html`<p role="status"><strong>${row.client || "The machine"}</strong> ${what}.</p>`,
  );
}

// --- internal ---

function devicePage(problem: Problem | undefined, body: Html): Response {
  return renderPage({
    title: "Sign in a machine",
    status: problem?.status,
    headers: problem?.headers,
    body: html`<h1>Sign in a machine</h1>
${problem ? html`<p class="error" role="alert">${problem.message}</p>` : ""}
${body}`,
  });
}
