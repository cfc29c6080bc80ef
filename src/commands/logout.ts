import { accountsOf, asAccount } from "../client/accounts.ts";
import { revokeOwnToken } from "../client/api.ts";
import {
  type Credentials,
  chooseEndpoint,
  chooseHost,
  hostKey,
  knownLogin,
  type Login,
  removeLogin,
} from "../client/credentials.ts";
import { ExitCode, messageOf, RexecError, UsageError } from "../lib/errors.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { credentialsPath, loadCredentials, serverArgs } from "./_server.ts";

export const logoutCommand = withHelp(
  defineCommand({
    meta: { name: "logout", description: "Forget the token of a server" },
    args: {
      all: { type: "boolean", description: "Of every server that you are logged in at" },
      revoke: { type: "boolean", description: "Make the token worthless at the server, too" },
      ...serverArgs,
    },
    async run({ args }) {
      const file = loadCredentials();
      if (args.all) return logOutOfAll(file, args);
      const host = hostKey(chooseHost(args, file, process.env));
      const named = args.host || process.env.REXEC_HOST || process.env.REXEC_API;
      const chosen = named ? knownLogin(named, file) : null;
      const entry = chosen?.login ?? file.hosts[host];
      if (!entry) {
        throw new RexecError(`not logged in at ${host}`, {
          code: "not_logged_in",
          hint:
            Object.keys(file.hosts).length > 0
              ? `logged in at: ${Object.keys(file.hosts).join(", ")}`
              : undefined,
          exitCode: ExitCode.notSetUp,
        });
      }
      // First at the server: forgotten but valid would be the worst of both.
      await revokeWhere(args.revoke === true, chooseEndpoint(args, file, process.env).endpoint, entry);
      const left = removeLogin(credentialsPath(), host, chosen?.username ?? undefined);
      say(`logged out of ${host}${left && entry.username ? ` as ${entry.username}` : ""}`);
      if (left) say(`note: you are still logged in there as ${left.username ?? "another account"}`);
      if (process.env.REXEC_TOKEN) say("note: REXEC_TOKEN is set and still counts");
    },
  }),
  {
    examples: [
      ["rexec logout --revoke", "Forget the token, and revoke it at the server"],
      ["rexec logout --host staging", "Of one of several servers"],
      ["rexec logout --host bob@staging", "Of one of several accounts there"],
      ["rexec logout --all", "Of all of them"],
    ],
    notes: ["The token of a sign-in with a code is revoked at the server, too: no other program has it."],
  },
);

// --- internal ---

async function logOutOfAll(
  file: Credentials,
  { revoke: isRevoked, host: named }: { revoke?: boolean | undefined; host?: string | undefined },
): Promise<void> {
  if (named !== undefined)
    throw new UsageError("--all and --host say two different things", "leave one of them out");
  const hosts = Object.entries(file.hosts);
  if (hosts.length === 0) say("not logged in anywhere");
  for (const [host, entry] of hosts) {
    const { endpoint } = chooseEndpoint({ host }, file, process.env);
    for (const { username } of accountsOf(entry)) {
      const login = (username !== null && asAccount(entry, username)) || entry;
      await revokeWhere(isRevoked === true, endpoint, login);
      removeLogin(credentialsPath(), host);
    }
    say(`logged out of ${host}`);
  }
  if (process.env.REXEC_TOKEN) say("note: REXEC_TOKEN is set and still counts");
}

/**
 * Revokes the token where that was asked for. A token of a device sign-in is revoked anyway, as far as the server can be
 * reached: no other program has it.
 */
async function revokeWhere(
  isWanted: boolean,
  endpoint: Parameters<typeof revokeOwnToken>[0]["endpoint"],
  { token, device }: Login,
): Promise<void> {
  if (isWanted) return revoke(endpoint, token);
  if (!device) return;
  try {
    await revoke(endpoint, token);
  } catch (error) {
    say(`note: the token could not be revoked at the server: ${messageOf(error)}`);
  }
}

async function revoke(
  endpoint: Parameters<typeof revokeOwnToken>[0]["endpoint"],
  token: string,
): Promise<void> {
  if (await revokeOwnToken({ endpoint, token })) return;
  throw new RexecError("the server does not list this token, so it cannot be revoked from here", {
    code: "not_revocable",
    hint: "revoke it where it was made, and run rexec logout without --revoke",
  });
}
