/** Pages for a visitor who is not signed in: the password, a login link, an invite. */
import { PASSWORD_LENGTH } from "../../auth/passwords.ts";
import { Html, html } from "./html.ts";
import { type Page, renderPage } from "./page.ts";

/** What went wrong with the last try, and with which status the page is shown again. */
export interface Problem {
  status: number;
  message: string;
  headers?: Readonly<Record<string, string>> | undefined;
}

/** What is shown on the sign-in page. */
export interface SignInPage {
  /** The user name of the last try. */
  username?: string | undefined;
  /** Where the browser goes afterwards; relative. */
  next?: string | undefined;
  problem?: Problem | undefined;
  /** Other ways to sign in, and the script that they need. */
  others?: readonly Html[] | undefined;
  script?: string | undefined;
}

/** `GET /sign-in` */
export function signInPage({ username, next, problem, others = [], script }: SignInPage): Response {
  return formPage("Sign in", problem, {
    script,
    body: html`
<form class="fields" method="post" action="sign-in">
${next ? html`<input type="hidden" name="next" value="${next}">` : ""}
<label for="username">User name</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required ${username ? "" : AUTOFOCUS}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required ${username ? AUTOFOCUS : ""}>
<button>Sign in</button>
</form>
${others}
<p class="hint">No password, or forgotten? An administrator can make a login link for you. On the gateway itself:
<code>rexec admin login-link USER</code>.</p>`,
  });
}

/** `GET /login-link`. @param link of the last try */
export function loginLinkPage(problem?: Problem, link?: string): Response {
  return formPage("Sign in by a link", problem, {
    script: LINK_SCRIPT_NAME,
    body: html`
<p>This link signs you in to this gateway once. It works for a few minutes.</p>
<form class="fields" method="post" action="login-link">
${linkField(link)}
<button>Sign in</button>
</form>`,
  });
}

/** What is shown on the page of an invite. */
export interface InvitePage {
  problem?: Problem | undefined;
  /** The fields of the last try. */
  link?: string | undefined;
  username?: string | undefined;
  name?: string | undefined;
}

/** `GET /invite` */
export function invitePage({ problem, link, username, name }: InvitePage): Response {
  return formPage("Accept your invite", problem, {
    script: LINK_SCRIPT_NAME,
    body: html`
<p>You are invited to this Rexec gateway. Choose a user name and a password.</p>
<form class="fields" method="post" action="invite">
${linkField(link)}
<label for="username">User name</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="64" aria-describedby="username-hint">
<p class="hint" id="username-hint">Lower-case letters, digits and <code>. _ @ + -</code></p>
<label for="name">Your name</label>
<input id="name" name="name" value="${name}" autocomplete="name" maxlength="128">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="${PASSWORD_LENGTH.least}" maxlength="${PASSWORD_LENGTH.most}" aria-describedby="password-hint">
<p class="hint" id="password-hint">At least ${PASSWORD_LENGTH.least} characters</p>
<button>Create my account</button>
</form>`,
  });
}

/** A page whose text is all: a refusal, for example. */
export function messagePage(title: string, { status, message, headers }: Problem): Response {
  return renderPage({
    title,
    status,
    headers,
    body: html`<h1>${title}</h1>
<p class="error" role="alert">${message}</p>
<p><a href="sign-in">Sign in</a></p>`,
  });
}

/** Where the pages with a link load their script from. */
export const LINK_SCRIPT_NAME = "link.js";

/**
 * Moves the secret from the address's fragment, which no server is sent, to the form, and out of the browser's history.
 * Without JavaScript the visitor pastes the link.
 */
export const LINK_SCRIPT = `const field = document.querySelector("input[name=link]");
const secret = location.hash.slice(1);
if (field && secret) {
  field.value = secret;
  document.getElementById("link-field").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
}
`;

// --- internal ---

const AUTOFOCUS = new Html("autofocus");

function formPage(
  title: string,
  problem: Problem | undefined,
  page: Pick<Page, "body" | "script">,
): Response {
  return renderPage({
    title,
    status: problem?.status,
    headers: problem?.headers,
    script: page.script,
    body: html`<h1>${title}</h1>
${problem ? html`<p class="error" role="alert">${problem.message}</p>` : ""}
${page.body}`,
  });
}

/** A link that was sent before stays in the form. */
function linkField(link: string | undefined): Html {
  if (link) return html`<input type="hidden" name="link" value="${link}">`;
  return html`<div id="link-field">
<label for="link">Link</label>
<input id="link" name="link" autocomplete="off" autocapitalize="none" spellcheck="false" required aria-describedby="link-hint">
<p class="hint" id="link-hint">Paste the whole link that you were given.</p>
</div>`;
}
