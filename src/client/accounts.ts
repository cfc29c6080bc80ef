/** The accounts of one server in the credentials file: one is the current account there, and others may stand beside it. */
import * as z from "zod/mini";

const account = z.looseObject({
  token: z.string().check(z.minLength(1)),
  /** `rexec login` made the token by a device sign-in, for this file alone: logging out revokes it. */
  device: z.optional(z.boolean()),
});
type Account = z.infer<typeof account>;

/** What the file has of a server: the current account there, and how the server is reached. */
export const login = z.looseObject({
  ...account.shape,
  username: z.optional(z.string()),
  /** Plain http over a network was allowed at login. */
  insecure: z.optional(z.boolean()),
  ca_file: z.optional(z.string()),
  /** Further accounts at the same server, by username. */
  others: z.optional(z.record(z.string(), account)),
});
export type Login = z.infer<typeof login>;

/** An account of a server, as a list shows it. */
export interface ListedAccount {
  username: string | null;
  isCurrent: boolean;
}

/** The accounts of a server, the current one first. */
export function accountsOf(entry: Login): ListedAccount[] {
  const others = Object.keys(entry.others ?? {}).map((username) => ({ username, isCurrent: false }));
  return [{ username: entry.username ?? null, isCurrent: true }, ...others];
}

/** The login with that account as the current one; null where the file has no such account. */
export function asAccount(entry: Login, username: string): Login | null {
  if (entry.username === username) return entry;
  const chosen = ownEntry(entry.others, username);
  if (!chosen) return null;
  const { token: _, device: __, username: ___, others: ____, ...way } = entry;
  return beside({ ...way, ...chosen, username }, entry);
}

/** A new login at a server where there may be one already: an account of another name stays, as one of the others. */
export function beside(entry: Login, former: Login | undefined): Login {
  if (!former) return entry;
  const { username: formerName, token, device } = former;
  const others = new Map(Object.entries(former.others ?? {}));
  if (formerName !== undefined && entry.username !== undefined)
    others.set(formerName, { token, ...(device ? { device } : {}) });
  if (entry.username !== undefined) others.delete(entry.username);
  const { others: _, ...alone } = entry;
  return others.size > 0 ? { ...alone, others: Object.fromEntries(others) } : alone;
}

/** The login without an account, the current one where none is named; null where no account is left. */
export function without(entry: Login, username: string | undefined): Login | null {
  const others = new Map(Object.entries(entry.others ?? {}));
  if (username !== undefined && username !== entry.username) {
    others.delete(username);
    return { ...entry, others: Object.fromEntries(others) };
  }
  const [next] = others.keys();
  const chosen = next === undefined ? null : asAccount(entry, next);
  return chosen && entry.username !== undefined ? without(chosen, entry.username) : chosen;
}

// --- internal ---

function ownEntry(others: Record<string, Account> | undefined, name: string): Account | undefined {
  return others && Object.hasOwn(others, name) ? others[name] : undefined;
}
