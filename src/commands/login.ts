import { identify } from "../client/api.ts";
import { chooseEndpoint, DEFAULT_HOST, saveLogin } from "../client/credentials.ts";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { isJwt, jwtExpiry } from "../protocol/token.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { credentialsPath, loadCredentials, serverArgs } from "./_server.ts";
import { askSecret, secretFromPipe } from "./_stdin.ts";

export const loginCommand = withHelp(
  defineCommand({
    meta: { name: "login", description: "Log in to a server with an API token, and remember it" },
    args: {
      token: {
        type: "string",
        valueHint: "TOKEN",
        description:
          "API token. Better on stdin or when asked: other users can see options in the process list",
      },
      ...serverArgs,
    },
    async run({ args }) {
      const { endpoint, host, insecure, caFile } = chooseEndpoint(args, loadCredentials(), process.env);
      const token = checkToken(args.token ?? (await obtainToken(host)));
      const { user, scopes } = await identify({ endpoint, token });
      const username = user.username ?? user.email ?? user.name;
      saveLogin(credentialsPath(), host, {
        token,
        ...(username ? { username } : {}),
        ...(insecure ? { insecure } : {}),
        ...(caFile ? { ca_file: caFile } : {}),
      });
      say(`logged in at ${host}${username ? ` as ${username}` : ""}`);
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
      ["rexec login --host http://127.0.0.1:8080", "At a gateway of your own"],
      ["echo $TOKEN | rexec login --host https://rexec.example.com", "In a script"],
    ],
    notes: [
      "The token is stored in ~/.rexec/credentials.json, readable by you alone. REXEC_TOKEN overrides it.",
    ],
  },
);

// --- internal ---

async function obtainToken(host: string): Promise<string> {
  if (!process.stdin.isTTY) return (await secretFromPipe("the API token")) || (process.env.REXEC_TOKEN ?? "");
  if (process.env.REXEC_TOKEN) return process.env.REXEC_TOKEN;
  if (host === DEFAULT_HOST) say(`Make a token at ${host}/settings`);
  return askSecret(`API token for ${host}`);
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
