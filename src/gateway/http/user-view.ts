/** Users, browser sessions and invites as the API shows them. */
import type { LinkRow } from "../store/one-time-links.ts";
import type { SignInSessionRow } from "../store/sign-in-sessions.ts";
import type { UserRow } from "../store/users.ts";

export function userView({ id, username, name, email, is_admin, created_at, disabled_at }: UserRow) {
  return { id, username, name, email, is_admin, created_at, disabled_at: disabled_at ?? undefined };
}

/** @param current id of the session that the request was made with */
export function sessionView(
  { user_id: _, revoked_at: __, ...row }: SignInSessionRow,
  current: string | null,
) {
  return { ...row, current: row.id === current };
}

export function inviteView({ id, name, email, is_admin, created_at, expires_at, used_at, user_id }: LinkRow) {
  return {
    id,
    name,
    email,
    admin: is_admin,
    created_at,
    expires_at,
    used_at: used_at ?? undefined,
    user_id: user_id ?? undefined,
  };
}
