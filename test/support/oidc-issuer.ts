/** A real OpenID provider on a loopback port. Its users sign in without a page: the test names the user. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import Provider from "oidc-provider";
import type { OidcProvider } from "../../src/gateway/sign-in/oidc-provider.ts";
import { exportedKey } from "./oidc-keys.ts";

export interface IssuerUser {
  email?: string;
  email_verified?: boolean;
  preferred_username?: string;
  name?: string;
  groups?: string[];
}

export interface Issuer extends AsyncDisposable {
  url: string;
  clientId: string;
  clientSecret: string;
  /** By subject. May be changed at any time. */
  users: Map<string, IssuerUser>;
  /** Follows the address of a sign-in as a browser of that user. @returns the address that it is sent back to */
  signIn(url: string, subject: string): Promise<URL>;
}

/** The settings of a gateway whose users sign in there. */
export function providerOf(
  issuer: Pick<Issuer, "url" | "clientId" | "clientSecret">,
  more: Partial<OidcProvider> = {},
): OidcProvider {
  return {
    name: "Example",
    issuer: issuer.url,
    clientId: issuer.clientId,
    clientSecret: issuer.clientSecret,
    scopes: ["email", "profile", "groups"],
    groupsClaim: "groups",
    allowedDomains: [],
    allowedGroups: [],
    adminGroups: [],
    groups: [],
    createUsers: true,
    ...more,
  };
}

/** @param redirectUris the addresses that a sign-in may go back to */
export async function startIssuer(redirectUris: string[]): Promise<Issuer> {
  const users = new Map<string, IssuerUser>();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const [clientId, clientSecret] = ["rexec", "a secret of the client's own"];
  const provider = new Provider(url, {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: redirectUris }],
    jwks: { keys: [await exportedKey()] },
    cookies: { keys: ["cookies of the test"] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: () => "/interaction" },
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["name", "preferred_username"],
      groups: ["groups"],
    },
    findAccount: (_: unknown, subject: string) => ({
      accountId: subject,
      claims: () => ({ sub: subject, ...users.get(subject) }),
    }),
  });
  const handle = provider.callback();
  server.on("request", (request, response) => {
    if (request.url?.startsWith("/interaction")) void finish(provider, request, response);
    else handle(request, response);
  });
  return {
    url,
    clientId,
    clientSecret,
    users,
    signIn: (start, subject) => follow(start, url, subject),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// --- internal ---

/** Answers each question of the provider: the login with the user of the header, the consent with yes. */
async function finish(provider: Provider, request: IncomingMessage, response: ServerResponse) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    const login = { accountId: String(request.headers["x-subject"]) };
    return provider.interactionFinished(request, response, { login });
  }
  const grant = new provider.Grant({
    accountId: session?.accountId ?? "",
    clientId: String(params.client_id),
  });
  grant.addOIDCScope(String(params.scope));
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

async function follow(start: string, origin: string, subject: string): Promise<URL> {
  const jar = new Map<string, string>();
  let url = new URL(start);
  for (let hop = 0; hop < 12; hop += 1) {
    if (url.origin !== origin) return url;
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...jar].map((pair) => pair.join("=")).join("; "), "x-subject": subject },
    });
    for (const line of response.headers.getSetCookie()) {
      const [name = "", value = ""] = (line.split(";")[0] ?? "").split(/=(.*)/s);
      jar.set(name, value);
    }
    const location = response.headers.get("location");
    if (!location)
      throw new Error(`${url} answers ${response.status}: ${(await response.text()).slice(0, 2_000)}`);
    url = new URL(location, url);
  }
  throw new Error("the provider sends the browser on and on");
}
