/** `/api/invites`: administrators let others make an account. */
import { createInviteBody, inviteListBody, madeLinkBody } from "../../protocol/http-users.ts";
import { makeLinkSecret } from "../auth/secrets.ts";
import { MAX_INVITES } from "../store/one-time-links.ts";
import { ApiError } from "./api-error.ts";
import { isId } from "./context.ts";
import { PAGE_QUERY, readPage } from "./paging.ts";
import { type Route, route } from "./route.ts";
import { inviteView } from "./user-view.ts";

/** Seconds that an invite lasts, unless it says otherwise. */
const INVITE_S = 3 * 86_400;

export const inviteRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/invites",
    action: "admin",
    summary: "List invites, those that were accepted or have expired included",
    query: PAGE_QUERY,
    answer: inviteListBody,
    async handle({ c, deps }) {
      const invites = await readPage(c, (page) => deps.store.links.listInvites(page));
      return c.json({ invites: invites.map(inviteView) });
    },
  }),
  route({
    method: "POST",
    path: "/api/invites",
    action: "admin",
    summary: "Make an invite: a link that works once, shown this once",
    body: createInviteBody,
    answer: madeLinkBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const { secret, hash } = makeLinkSecret();
      const seconds = body.expires_in_seconds ?? INVITE_S;
      const invite = await deps.store.links.createInvite(hash, {
        name: body.name ?? "",
        email: body.email ?? "",
        isAdmin: body.admin ?? false,
        createdBy: principal.user.id,
        expiresAt: new Date(Date.now() + seconds * 1000).toISOString(),
      });
      if (!invite) {
        const message = `${MAX_INVITES} invites wait to be accepted, and there may be no more: take one back`;
        throw new ApiError(403, "invite_limit_reached", message);
      }
      const { address, publicUrl } = c.env;
      const details = { admin: invite.is_admin, name: invite.name, expires_at: invite.expires_at };
      deps.audit.record({ action: "invite.created", principal, address, target: invite.id, details });
      return c.json({ ...inviteView(invite), url: `${publicUrl}/invite#${secret}` }, 201);
    },
  }),
  route({
    method: "DELETE",
    path: "/api/invites/:invite",
    action: "admin",
    summary: "Take back an invite that was not accepted",
    async handle({ c, deps, principal, param }) {
      const id = param("invite").toLowerCase();
      const invite = isId(id) ? await deps.store.links.withdrawInvite(id) : null;
      if (!invite) throw new ApiError(404, "invite_not_found", "there is no such invite that waits");
      deps.audit.record({ action: "invite.withdrawn", principal, address: c.env.address, target: id });
      return c.json({ message: "invite taken back" });
    },
  }),
];
