/** What the gateway's pages and forms share. */
import type { Context } from "hono";
import type { Principal } from "../../auth/principal.ts";
import { sessionCookie } from "../../auth/session-cookie.ts";
import type { SignInMethod } from "../../store/sign-in-sessions.ts";
import type { UserRow } from "../../store/users.ts";
import { sessionOf } from "../account.ts";
import { ApiError } from "../api-error.ts";
import { type ApiDeps, authenticate, type Env } from "../context.ts";
import { openSession } from "../sign-in.ts";
import { goTo } from "./page.ts";
import type { Problem } from "./sign-in.ts";

/**
 * The caller of a page, by the cookie; null for one who is to sign in first.
 * @throws ApiError 403 for what the page of another site sends
 */
export async function signedInAs(c: Context<Env>, deps: ApiDeps): Promise<Principal | null> {
  if (sessionCookie(c.req.raw.headers, c.env.publicUrl) === null) return null;
  try {
    const principal = await authenticate(c, deps);
    return sessionOf(principal) === null ? null : principal;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** Shows a page to the signed-in user; others sign in first, and come back to it. @param page its path, as `nextOf` takes it */
export async function signedInPage(
  c: Context<Env>,
  deps: ApiDeps,
  page: string,
  show: (principal: Principal) => Response | Promise<Response>,
): Promise<Response> {
  const principal = await signedInAs(c, deps);
  return principal ? show(principal) : goTo(`sign-in?next=${page}`);
}

/** Does what the form of such a page asks for, and answers with a page; a refusal is shown on the page again. */
export function signedInForm(
  c: Context<Env>,
  deps: ApiDeps,
  page: string,
  work: (principal: Principal, form: URLSearchParams) => Promise<Response>,
  again: (principal: Principal, problem: Problem) => Response | Promise<Response>,
): Promise<Response> {
  return signedInPage(c, deps, page, async (principal) => {
    const form = await formOf(c);
    return tried(
      () => work(principal, form),
      (answer) => answer,
      (problem) => again(principal, problem),
    );
  });
}

/** Opens the session, and sends the browser on to its next page. */
export async function welcome(
  c: Context<Env>,
  deps: ApiDeps,
  user: UserRow,
  method: SignInMethod,
  next = "account",
): Promise<Response> {
  const { cookie } = await openSession(c, deps, user, method);
  return goTo(next, { "Set-Cookie": cookie });
}

/** A page of this gateway to go on to: relative, below the sign-in page's folder; undefined for anything else. */
export function nextOf(given: string | null | undefined): string | undefined {
  return given && given.length <= 512 && /^[a-z][a-z0-9-]*(\?[\w=&%.~-]*)?$/i.test(given) ? given : undefined;
}

/** The fields of a form. @throws ApiError 415 */
export async function formOf(c: Context<Env>): Promise<URLSearchParams> {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") {
    throw new ApiError(415, "bad_form", "send the form as application/x-www-form-urlencoded");
  }
  return new URLSearchParams(await c.req.text());
}

/** Does what a form asks for; a refusal is shown on the page again. */
export async function tried<T>(
  work: () => T | Promise<T>,
  done: (result: T) => Response | Promise<Response>,
  again: (problem: Problem) => Response | Promise<Response>,
): Promise<Response> {
  try {
    return await done(await work());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { status, message, headers } = error;
    return again({ status, message: `${message.charAt(0).toUpperCase()}${message.slice(1)}.`, headers });
  }
}
