/** Pages of the second factor and of passkeys. */
import type { TotpSetUp } from "../../sign-in/totp.ts";
import type { PasskeyRow } from "../../store/passkeys.ts";
import { Html, html } from "./html.ts";
import { renderPage } from "./page.ts";
import { PASSKEY_SCRIPT_NAME } from "./passkey-script.ts";
import type { Problem } from "./sign-in.ts";

/** The step after a right password. */
export function secondFactorPage(step: string, next?: string, problem?: Problem): Response {
  return page(
    "Second factor",
    problem,
    html`<form class="fields" method="post" action="second-factor">
<input type="hidden" name="step" value="${step}">
${next ? html`<input type="hidden" name="next" value="${next}">` : ""}
${codeField("The 6 digits that your authenticator app shows, or a recovery code")}
<button>Sign in</button>
</form>`,
  );
}

/** What is shown on the page of factors. */
export interface FactorsPage {
  isOn: boolean;
  recoveryCodesLeft: number;
  passkeys: readonly PasskeyRow[];
  /** Why no passkey works at this address; null where they do. */
  noPasskeys: string | null;
  problem?: Problem | undefined;
  note?: string | undefined;
}

/** `GET /factors` */
export function factorsPage(shown: FactorsPage): Response {
  const { isOn, recoveryCodesLeft, passkeys, noPasskeys, problem, note } = shown;
  return page(
    "Second factor and passkeys",
    problem,
    html`${note ? html`<p role="status">${note}</p>` : ""}
<p><a href="account">Your account</a></p>
<h2>Authenticator app</h2>
${isOn ? appIsOn(recoveryCodesLeft) : APP_IS_OFF}
<h2>Passkeys</h2>
${
  passkeys.length > 0
    ? html`<div class="wide"><table>
<thead><tr><th scope="col">Name</th><th scope="col">Added</th><th scope="col">Last used</th><th scope="col">Remove</th></tr></thead>
<tbody>
${passkeys.map(passkeyLine)}
</tbody></table></div>`
    : html`<p>You have none. A passkey of your device signs you in without a password.</p>`
}
${noPasskeys === null ? ADD_PASSKEY : html`<p class="hint">None can be added here: ${noPasskeys}.</p>`}`,
    noPasskeys === null ? PASSKEY_SCRIPT_NAME : undefined,
  );
}

/** The secret of a new authenticator app, shown once. */
export function totpPage({ svg, secret, uri }: TotpSetUp, problem?: Problem): Response {
  const picture = svg.replace(
    "<svg ",
    '<svg width="232" height="232" role="img" aria-label="QR code of the secret" ',
  );
  return page(
    "Set up an authenticator app",
    problem,
    html`<p>Scan this with the app, or <a href="${uri}">open it in an app on this device</a>, or type the secret into it:</p>
${new Html(picture)}
<p><code>${secret}</code></p>
<form class="fields" method="post" action="factors">
${codeField("The 6 digits that the app shows now")}
<button name="do" value="confirm">Turn on</button>
</form>`,
  );
}

/** Recovery codes, shown once. */
export function recoveryCodesPage(codes: readonly string[]): Response {
  return page(
    "Recovery codes",
    undefined,
    html`<p>Each of these codes stands in for the app once. Keep them where you find them without it: they are not shown again.</p>
<pre>${codes.join("\n")}</pre>
<p><a href="factors">I have kept them</a></p>`,
  );
}

/** The button on the sign-in page; the script shows it where the browser can. */
export function passkeyButton(next: string | undefined): Html {
  return html`<p id="passkey" hidden data-next="${next ?? "account"}"><button type="button">Sign in with a passkey</button></p>
<p id="passkey-problem" class="error" role="alert" hidden></p>`;
}

// --- internal ---

const APP_IS_OFF = html`<p>It is off. With it, your password is not enough to sign in: a code of an app on your phone follows.</p>
<form method="post" action="factors"><button name="do" value="begin">Set up</button></form>`;

const ADD_PASSKEY = html`<div id="passkey" hidden data-new>
<label for="passkey-name">Name of a new passkey</label>
<input id="passkey-name" maxlength="128" placeholder="Phone">
<p><button type="button">Add a passkey</button></p>
</div>
<p id="passkey-problem" class="error" role="alert" hidden></p>`;

function appIsOn(codesLeft: number): Html {
  return html`<p>It is on. You have ${codesLeft} recovery ${codesLeft === 1 ? "code" : "codes"} left.</p>
<form class="fields" method="post" action="factors">
${codeField("A code of the app, or a recovery code")}
<button name="do" value="codes">Make new recovery codes</button>
<button name="do" value="remove">Turn off</button>
</form>`;
}

function passkeyLine({ id, name, created_at, last_used_at }: PasskeyRow): Html {
  return html`<tr><td>${name}</td><td>${created_at.slice(0, 10)}</td><td>${last_used_at?.slice(0, 10) ?? "never"}</td><td>
<form method="post" action="factors"><input type="hidden" name="passkey" value="${id}"><button name="do" value="remove-passkey" aria-label="Remove the passkey ${name}">Remove</button></form></td></tr>
`;
}

function codeField(hint: string): Html {
  return html`<label for="code">Code</label>
<input id="code" name="code" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" required maxlength="64" aria-describedby="code-hint" autofocus>
<p class="hint" id="code-hint">${hint}</p>`;
}

function page(title: string, problem: Problem | undefined, body: Html, script?: string): Response {
  return renderPage({
    title,
    status: problem?.status,
    headers: problem?.headers,
    script,
    body: html`<h1>${title}</h1>
${problem ? html`<p class="error" role="alert">${problem.message}</p>` : ""}
${body}`,
  });
}
