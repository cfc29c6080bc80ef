/** Settings of the identity provider: see `sign-in/oidc-provider.ts`. A part of the table in `settings.ts`. */
import { bareHost, isLoopback } from "../../lib/proxy.ts";
import { BadValue, type Kind, list, scalar, text, toggle } from "./kinds.ts";
import { optional, secret, setting } from "./setting.ts";

/** The address of a provider. Plain http would show the client secret to the network. */
const issuer: Kind<string> = scalar("URL", (given) => {
  const url = URL.canParse(given) ? new URL(given) : null;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(bareHost(url)));
  // As it is written: a provider compares it letter by letter.
  if (url && isSafe && !url.search && !url.hash && !url.username) return given;
  throw new BadValue(given, "give the issuer as the provider names it: https://accounts.example.com");
});

/** The provider's group and the gateway's. */
const groupPair: Kind<readonly [string, string]> = scalar("THEIRS=OURS", (given) => {
  const at = given.lastIndexOf("=");
  const [theirs, ours] = [given.slice(0, Math.max(0, at)).trim(), given.slice(at + 1).trim()];
  if (theirs && ours) return [theirs, ours];
  throw new BadValue(given, "it is the provider's group and one of this gateway: engineering=eng");
});

export const OIDC_SETTINGS = {
  oidcIssuer: optional({
    flag: "oidc-issuer",
    key: "oidc.issuer",
    kind: issuer,
    description: "Users sign in at this identity provider (OpenID Connect)",
  }),
  oidcClientId: optional({
    flag: "oidc-client-id",
    key: "oidc.client_id",
    kind: text("ID"),
    description: "How the provider knows this gateway; its redirect address is PUBLIC_URL/oidc-callback",
  }),
  oidcSecret: secret({
    flag: "oidc-secret",
    key: "oidc.secret",
    kind: text("SECRET"),
    description: "The client secret; without one PKCE alone protects the sign-in",
  }),
  oidcName: setting({
    flag: "oidc-name",
    key: "oidc.name",
    kind: text("NAME"),
    default: "single sign-on",
    description: "The provider's name on the sign-in page",
  }),
  oidcScopes: setting({
    flag: "oidc-scopes",
    key: "oidc.scopes",
    kind: list(text("SCOPE")),
    default: "email,profile",
    description: "What the provider is asked for, beside openid",
  }),
  oidcDomains: setting({
    flag: "oidc-domains",
    key: "oidc.domains",
    kind: list(text("DOMAIN")),
    default: "",
    description:
      "Domains of e-mail addresses that may sign in, verified by the provider (default: all addresses)",
  }),
  oidcGroupsClaim: setting({
    flag: "oidc-groups-claim",
    key: "oidc.groups_claim",
    kind: text("CLAIM"),
    default: "groups",
    description: "The claim that lists a user's groups",
  }),
  oidcAllowedGroups: setting({
    flag: "oidc-allowed-groups",
    key: "oidc.allowed_groups",
    kind: list(text("GROUP")),
    default: "",
    description: "Users in one of these groups of the provider may sign in (default: all users)",
  }),
  oidcAdminGroups: setting({
    flag: "oidc-admin-groups",
    key: "oidc.admin_groups",
    kind: list(text("GROUP")),
    default: "",
    description:
      "Users in one of these groups are administrators, and no others of the provider (default: roles stay)",
  }),
  oidcGroups: setting({
    flag: "oidc-groups",
    key: "oidc.groups",
    kind: list(groupPair),
    default: "",
    description: "Memberships that follow from the provider's groups, at each sign-in",
  }),
  oidcCreateUsers: setting({
    flag: "oidc-create-users",
    key: "oidc.create_users",
    kind: toggle,
    default: "true",
    description: "Make an account for a user who signs in for the first time",
  }),
};
