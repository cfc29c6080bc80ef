import { asAccount, type Login } from "../client/accounts.ts";
import { identify, revokeOwnToken, type Server } from "../client/api.ts";
import { openInBrowser } from "../client/browser.ts";
import { chooseEndpoint, DEFAULT_HOST, type ServerChoice, saveLogin } from "../client/credentials.ts";
import { awaitApproval, beginDeviceSignIn, decideDevice, lookUpDevice } from "../client/device-sign-in.ts";
import { ExitCode, RexecError, UsageError } from "../lib/errors.ts";
import type { Endpoint } from "../lib/net.ts";
import type { DeviceStart } from "../protocol/http-device.ts";
import { isJwt, jwtExpiry } from "../protocol/token.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { credentialsPath, currentServer, loadCredentials, serverArgs } from "./_server.ts";
import { askSecret, askSecretUntil, confirm, secretFromPipe } from "./_stdin.ts";

export const loginCommand = withHelp(
  defineCommand({
    meta: { name: "login", description: "Log in to a server by a code or an API token" },
    args: {
      token: {
        type: "string",
        valueHint: "TOKEN",
        description:
          "API token. Better on stdin or when asked: other users can see options in the process list",
      },
      scopes: {
        type: "string",
        valueHint: "LIST",
        description: "Scopes of the token that a sign-in with a code makes, with commas (default: *)",
      },
      approve: {
        type: "string",
        valueHint: "CODE",
        description: "Approve, or refuse, the sign-in of another machine that shows this code",
      },
      ...serverArgs,
    },
    async run({ args }) {
      if (args.approve !== undefined) return approve(args.approve, args);
      if (args.token !== undefined && args.scopes !== undefined)
        throw new UsageError("--token has its scopes already", "leave --scopes out");
      const file = loadCredentials();
      const { endpoint, host, insecure, caFile } = chooseEndpoint(args, file, process.env);
      const obtained =
        args.token === undefined
          ? await obtainToken(endpoint, host, scopesOf(args.scopes))
          : { token: args.token, device: false };
      const token = checkToken(obtained.token);
      const { user, scopes } = await identify({ endpoint, token });
      const username = user.username ?? user.email ?? user.name;
      saveLogin(credentialsPath(), host, {
        token,
        ...(obtained.device ? { device: true } : {}),
        ...(username ? { username } : {}),
        ...(insecure ? { insecure } : {}),
        ...(caFile ? { ca_file: caFile } : {}),
      });
      say(`logged in at ${host}${username ? ` as ${username}` : ""}`);
      await giveUpFormer(file.hosts[host], username, { endpoint, token });
      if (scopes?.length === 1 && scopes[0] === "agent") {
        say("warning: this token can only connect an agent; make one of your own to list and reach agents");
      }
      const expiry = isJwt(token) ? jwtExpiry(token) : null;
      if (expiry)
        say(`warning: this token expires at ${new Date(expiry).toISOString()}; an API token does not`);
    },
  }),
  {
    examples: [
      ["rexec login", "At the public service; asks for the token"],
      [
        "rexec login --host http://127.0.0.1:8080",
        "At a gateway of your own: shows a code, or takes a token",
      ],
      ["rexec login --approve BCDF-GHJK", "Where you are signed in: let that machine in"],
      ["echo $TOKEN | rexec login --host https://rexec.example.com", "In a script"],
    ],
    notes: [
      "The token is stored in ~/.rexec/credentials.json, readable by you alone. REXEC_TOKEN overrides it.",
      "At a terminal a gateway of your own gives a code: approve it in a browser, or by --approve. Your other logins stay.",
    ],
  },
);

// --- internal ---

interface Obtained {
  token: string;
  /** By a sign-in with a code. */
  device: boolean;
}

async function obtainToken(
  endpoint: Endpoint,
  host: string,
  scopes: readonly string[] | null,
): Promise<Obtained> {
  const given = (token: string) => ({ token, device: false });
  if (!process.stdin.isTTY)
    return given((await secretFromPipe("the API token")) || (process.env.REXEC_TOKEN ?? ""));
  if (process.env.REXEC_TOKEN) return given(process.env.REXEC_TOKEN);
  const start = await beginDeviceSignIn(endpoint, scopes);
  if (start) return signIn(endpoint, host, start);
  if (host === DEFAULT_HOST) say(`Make a token at ${host}/settings`);
  return given(await askSecret(`API token for ${host}`));
}

/** Until the code is approved, or a token is typed. */
async function signIn(endpoint: Endpoint, host: string, start: DeviceStart): Promise<Obtained> {
  const isOpened = openInBrowser(start.verification_uri, process.env);
  say(`${isOpened ? "Opening" : "Open"} ${start.verification_uri} and enter this code: ${start.user_code}`);
  say(`Or where you are signed in already: rexec login --approve ${start.user_code}`);
  const typing = new AbortController();
  const polling = new AbortController();
  const approval = awaitApproval(endpoint, start, polling.signal);
  const approved = approval.then((token) => ({ token, device: true })).finally(() => typing.abort());
  approved.catch(() => {}); // its error is read below, or polling was ended
  try {
    for (;;) {
      const typed = await askSecretUntil(
        `Waiting for the approval. Or give an API token for ${host}`,
        typing.signal,
      );
      if (typed === null) return await approved;
      if (typed !== "") return { token: typed, device: false };
    }
  } finally {
    polling.abort(new RexecError("cancelled", { code: "cancelled" }));
  }
}

/** Revokes the token of this account's earlier sign-in with a code, which no other program has. */
async function giveUpFormer(
  entry: Login | undefined,
  username: string | undefined,
  server: Server,
): Promise<void> {
  const former = entry && username !== undefined ? asAccount(entry, username) : null;
  if (!former?.device || former.token === server.token) return;
  // Revoked, expired, or out of reach: the login itself is done.
  await revokeOwnToken({ ...server, token: former.token }).catch(() => {});
}

async function approve(
  code: string,
  args: ServerChoice & { token?: string | undefined; scopes?: string | undefined },
): Promise<void> {
  if (args.token !== undefined || args.scopes !== undefined)
    throw new UsageError("--approve signs in another machine", "leave --token and --scopes out");
  const server = currentServer(args);
  const { client, address, scopes } = await lookUpDevice(server, code);
  const origin = server.endpoint.base.host;
  say(
    `${client || "A machine without a name"} at ${address || "an unknown address"} asks to sign in to ${origin} as you.`,
  );
  const may = scopes.includes("*")
    ? "may do everything that you may"
    : `has the scopes ${scopes.join(", ") || "none"}`;
  say(`It gets an API token that ${may}. Go on only if you started this sign-in yourself.`);
  const isApproved = await confirm("Approve it?");
  await decideDevice(server, code, isApproved);
  say(isApproved ? `approved: ${client} is signed in` : "refused");
}

/** @throws UsageError */
function scopesOf(list: string | undefined): string[] | null {
  if (list === undefined) return null;
  const scopes = list
    .split(",")
    .map((scope) => scope.trim())
    .filter(Boolean);
  if (scopes.length === 0) throw new UsageError("--scopes names no scope", "for example: --scopes read,use");
  return scopes;
}

function checkToken(given: string): string {
  const token = given.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new RexecError(
    token ? "that is no API token: it has a space or a strange character in it" : "no API token given",
    {
      code: "bad_token",
      hint: "pipe it in (echo TOKEN | rexec login), set REXEC_TOKEN, or run rexec login in a terminal",
      exitCode: token ? ExitCode.usage : ExitCode.notSetUp,
    },
  );
}
