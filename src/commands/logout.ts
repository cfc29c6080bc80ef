import { revokeOwnToken } from "../client/api.ts";
import { type Credentials, chooseEndpoint, chooseHost, hostKey, removeLogin } from "../client/credentials.ts";
import { ExitCode, RexecError, UsageError } from "../lib/errors.ts";
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
      const entry = file.hosts[host];
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
      if (args.revoke) await revoke(chooseEndpoint(args, file, process.env).endpoint, entry.token);
      removeLogin(credentialsPath(), host);
      say(`logged out of ${host}`);
      if (process.env.REXEC_TOKEN) say("note: REXEC_TOKEN is set and still counts");
    },
  }),
  {
    examples: [
      ["rexec logout --revoke", "Forget the token, and revoke it at the server"],
      ["rexec logout --host staging", "Of one of several servers"],
      ["rexec logout --all", "Of all of them"],
    ],
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
  for (const [host, { token }] of hosts) {
    if (isRevoked) await revoke(chooseEndpoint({ host }, file, process.env).endpoint, token);
    removeLogin(credentialsPath(), host);
    say(`logged out of ${host}`);
  }
  if (process.env.REXEC_TOKEN) say("note: REXEC_TOKEN is set and still counts");
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
