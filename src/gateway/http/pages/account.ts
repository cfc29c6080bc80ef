/** The page of a signed-in user: their account, the sessions of their browsers, the way out. */
import { PASSWORD_LENGTH } from "../../auth/passwords.ts";
import type { SignInSessionRow } from "../../store/sign-in-sessions.ts";
import type { UserRow } from "../../store/users.ts";
import { type Html, html } from "./html.ts";
import { renderPage } from "./page.ts";
import type { Problem } from "./sign-in.ts";

/** What is shown on the account page. */
export interface AccountPage {
  user: UserRow;
  sessions: readonly SignInSessionRow[];
  /** The session of the request. */
  currentSession: string;
  hasPassword: boolean;
  problem?: Problem | undefined;
  /** Said once: "Your password is changed", for example. */
  note?: string | undefined;
  /** Further parts of the page, each with a heading. */
  sections?: readonly Html[] | undefined;
}

/** `GET /account` */
export function accountPage(page: AccountPage): Response {
  const { user, sessions, currentSession, hasPassword, problem, note, sections = [] } = page;
  return renderPage({
    title: "Your account",
    status: problem?.status,
    headers: problem?.headers,
    body: html`<h1>Your account</h1>
${problem ? html`<p class="error" role="alert">${problem.message}</p>` : ""}
${note ? html`<p role="status">${note}</p>` : ""}
<p>You are signed in as <strong>${user.username}</strong>${user.name === user.username ? "" : ` (${user.name})`}${user.is_admin ? ", an administrator" : ""}.</p>
<form method="post" action="sign-out"><button>Sign out</button></form>
<h2>Sessions</h2>
<div class="wide"><table>
<thead><tr><th scope="col">Browser</th><th scope="col">Address</th><th scope="col">Signed in</th><th scope="col">Last seen</th><th scope="col">End</th></tr></thead>
<tbody>
${sessions.map((session) => sessionLine(session, session.id === currentSession))}
</tbody></table></div>
${passwordForm(user, hasPassword)}
${sections}`,
  });
}

// --- internal ---

function sessionLine(session: SignInSessionRow, isCurrent: boolean): Html {
  const { id, user_agent, address, created_at, last_seen_at } = session;
  const browser = user_agent || "unknown";
  const end = isCurrent
    ? "this browser"
    : html`<form method="post" action="account"><input type="hidden" name="end" value="${id}"><button aria-label="End the session of ${browser}">End</button></form>`;
  return html`<tr><td>${browser}</td><td>${address}</td><td>${time(created_at)}</td><td>${time(last_seen_at)}</td><td>${end}</td></tr>
`;
}

function passwordForm({ username }: UserRow, hasPassword: boolean): Html {
  return html`<h2>${hasPassword ? "Change your password" : "Choose a password"}</h2>
<form class="fields" method="post" action="account">
<input name="username" value="${username}" autocomplete="username" hidden>
${
  hasPassword
    ? html`<label for="current">Current password</label>
<input id="current" name="current" type="password" autocomplete="current-password" required>`
    : ""
}
<label for="password">New password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="${PASSWORD_LENGTH.least}" maxlength="${PASSWORD_LENGTH.most}" aria-describedby="password-hint">
<p class="hint" id="password-hint">At least ${PASSWORD_LENGTH.least} characters. All your other sessions end.</p>
<button>${hasPassword ? "Change password" : "Set password"}</button>
</form>`;
}

/** `2026-01-31 12:00 UTC`: the page has no script that could know the visitor's zone. */
function time(at: string): Html {
  const shown = `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`;
  return html`<time datetime="${at}">${shown}</time>`;
}
