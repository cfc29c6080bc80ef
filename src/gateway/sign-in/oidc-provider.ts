/** What the operator says of an identity provider. */

/** An identity provider (OpenID Connect). Plain data, from the configuration. */
export interface OidcProvider {
  /** On the sign-in page: "Sign in with NAME". */
  readonly name: string;
  /** `https://accounts.example.com`; http only on this machine. */
  readonly issuer: string;
  readonly clientId: string;
  /** Null for a public client, which PKCE alone protects. */
  readonly clientSecret: string | null;
  /** Beside `openid`. */
  readonly scopes: readonly string[];
  /** The claim that lists the user's groups. */
  readonly groupsClaim: string;
  /** Domains of addresses that may sign in, each verified by the provider; empty for all addresses. */
  readonly allowedDomains: readonly string[];
  /** A user in one of these groups may sign in; empty for all users. */
  readonly allowedGroups: readonly string[];
  /** A user in one of these groups is an administrator, and no other user of the provider; empty leaves roles alone. */
  readonly adminGroups: readonly string[];
  /** The provider's group and the gateway's, by name: memberships follow at each sign-in. */
  readonly groups: readonly (readonly [theirs: string, ours: string])[];
  /** Whether an unknown user gets an account at the first sign-in. */
  readonly createUsers: boolean;
}

/** What the provider says of a user who signed in. */
export interface OidcIdentity {
  readonly issuer: string;
  readonly subject: string;
  /** In lower case; null for none. */
  readonly email: string | null;
  readonly isEmailVerified: boolean;
  readonly username: string | null;
  readonly name: string | null;
  /** `GROUPS_READ` of them at most. */
  readonly groups: readonly string[];
}

/** Groups of a user that are read, and characters of one; longer names count for nothing. */
export const GROUPS_READ = 500;
export const GROUP_LENGTH = 256;

/** What a user that the provider vouches for may not do, or the role and groups that follow from the identity. */
export type OidcVerdict =
  | { kind: "refused"; code: string; message: string }
  | { kind: "admitted"; isAdmin: boolean | null; groups: readonly string[] };

/** Whether the identity may sign in, and with which role (null leaves it as it is) and groups of the gateway. */
export function judge(provider: OidcProvider, identity: OidcIdentity): OidcVerdict {
  const { allowedDomains, allowedGroups, adminGroups } = provider;
  if (allowedDomains.length > 0) {
    if (!identity.email?.includes("@") || !identity.isEmailVerified)
      return refused(
        "email_not_verified",
        "the provider does not vouch for an e-mail address of this account",
      );
    // What stands behind the last @: a quoted local part may have another one.
    const domain = identity.email.slice(identity.email.lastIndexOf("@") + 1);
    if (!allowedDomains.some((allowed) => allowed.toLowerCase() === domain))
      return refused("domain_not_allowed", "addresses of this domain may not sign in here");
  }
  const isIn = (groups: readonly string[]) => groups.some((group) => identity.groups.includes(group));
  if (allowedGroups.length > 0 && !isIn(allowedGroups))
    return refused("group_not_allowed", "no group of this account may sign in here");
  const groups = provider.groups.filter(([theirs]) => isIn([theirs])).map(([, ours]) => ours);
  return {
    kind: "admitted",
    isAdmin: adminGroups.length > 0 ? isIn(adminGroups) : null,
    groups: [...new Set(groups)],
  };
}

/**
 * The name of a new user, from what the provider says: its preferred name, or its address before the @.
 * @param attempt 0 for the first choice; later ones end in a number
 */
export function usernameFor(identity: OidcIdentity, attempt: number): string {
  const local = identity.email?.slice(0, identity.email.lastIndexOf("@"));
  const wish = (identity.username || local || "user")
    .normalize("NFKC")
    .toLowerCase()
    .replace(/@.*$/, "")
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
    .slice(0, 40);
  const base = wish || "user";
  return attempt === 0 ? base : `${base}-${attempt + 1}`;
}

// --- internal ---

function refused(code: string, message: string): OidcVerdict {
  return { kind: "refused", code, message };
}
