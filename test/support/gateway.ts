/** A real gateway on a free port with a folder of its own: `await using gateway = await startGateway()`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGateway, type Gateway, type GatewayOptions } from "../../src/gateway/gateway.ts";
import type { Logger } from "../../src/lib/log.ts";

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the JSON, field by field.
  json: any;
}

export interface TestGateway extends AsyncDisposable {
  gateway: Gateway;
  url: string;
  dataDir: string;
  /** Of the administrator, all scopes. */
  token: string;
  /** Everything that was logged. */
  log: string[];
  /** @param token null for none; default: the administrator's */
  api(method: string, path: string, body?: unknown, token?: string | null): Promise<Answer>;
  /** A new agent and its own token. */
  register(name?: string): Promise<{ id: string; token: string }>;
  /** A token with these scopes. */
  mint(scopes: string[], extra?: object): Promise<{ id: string; token: string }>;
  /** Another person with a full token. */
  stranger(): Promise<{ userId: string; token: string }>;
  /** Stops it and starts another one on the same data. */
  restart(): Promise<void>;
}

export async function startGateway(options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  const folder = mkdtempSync(join(tmpdir(), "rexec-gateway-"));
  const dataDir = options.dataDir ?? join(folder, "data");
  const log: string[] = [];
  const logger = arrayLogger(log);
  const start = () => createGateway({ host: "127.0.0.1", port: 0, logger, ...options, dataDir });
  let gateway = await start();
  const token = gateway.adminToken ?? "";
  const self: TestGateway = {
    gateway,
    url: gateway.url,
    dataDir,
    token,
    log,
    api: (method, path, body, as = token) => call(self.url, method, path, body, as),
    async register(name = "box") {
      const { json } = await self.api("POST", "/api/agents/register", { name, os: "linux", arch: "amd64" });
      return { id: json.id, token: json.token };
    },
    async mint(scopes, extra = {}) {
      const { json } = await self.api("POST", "/api/tokens", { name: "minted", scopes, ...extra });
      return { id: json.id, token: json.token };
    },
    async stranger() {
      const { makeToken } = await import("../../src/gateway/auth/token.ts");
      const username = `stranger-${crypto.randomUUID()}`;
      const user = await self.gateway.store.users.create({ username, isAdmin: false });
      const made = makeToken();
      await self.gateway.store.tokens.create(made, { userId: user.id, name: "theirs", scopes: ["*"] });
      return { userId: user.id, token: made.token };
    },
    async restart() {
      await self.gateway.stop();
      gateway = await start();
      self.gateway = gateway;
      self.url = gateway.url;
    },
    async [Symbol.asyncDispose]() {
      await self.gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return self;
}

/** A request, and its answer with the JSON in it (null where it is none). */
export async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  token: string | null = null,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    redirect: "manual",
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

export function arrayLogger(lines: string[]): Logger {
  const say = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
}

// --- internal ---

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
