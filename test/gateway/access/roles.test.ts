/**
 * Every route and socket is asked by every kind of caller. What they may do is written down in docs/security.md, and has to
 * be what happens: `REXEC_WRITE_TABLE=1` writes the tables anew, for a reader to judge.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createApp } from "../../../src/gateway/http/app.ts";
import { ROUTES } from "../../../src/gateway/http/routes.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { knock } from "../../support/socket.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { BODIES, Stage } from "./stage.ts";

/** People, each with a token that may do everything; then what else may knock. */
const CALLERS = [
  "anonymous",
  "member",
  "view",
  "use",
  "manage",
  "owner",
  "admin",
  "share",
  "own agent",
  "other agent",
  "revoked",
  "expired",
] as const;
/** The owner's tokens. */
const SCOPED = ["user", "read", "use", "exec", "manage", "admin"] as const;

const SOCKETS = ["WS /ws/agent/:id", "WS /ws/agent/:id/terminal", "WS /api/containers/events"] as const;

/** Addresses that are no declared route, since they answer anybody with what is no secret. */
const OPEN = [
  "GET /",
  "GET /health",
  "GET /api/version",
  "GET /install-agent.sh",
  "GET /downloads/:file",
  "GET /downloads/:version/:file",
];

const DOCUMENT = join(import.meta.dir, "../../../docs/security.md");

let gateway: TestGateway;
let stage: Stage;

beforeAll(async () => {
  gateway = await startGateway({ failedLogins: { burst: 1_000_000, refillMs: 1, maxAddresses: 10 } });
  stage = await Stage.make(gateway);
});
afterAll(() => gateway[Symbol.asyncDispose]());

describe("who may do what", () => {
  const all = [...ROUTES.map(({ method, path }) => `${method} ${path}`), ...SOCKETS];

  test("is asked of every address that the gateway has", () => {
    const { store, hub } = gateway.gateway;
    const app = createApp({
      ...({} as Parameters<typeof createApp>[0]),
      store,
      directory: hub,
      downloads: null,
    });
    const served = app.routes
      .filter(({ method, path }) => method !== "ALL" && !path.includes("*"))
      .map(({ method, path }) => `${method} ${path}`);
    expect([...new Set(served)].sort()).toEqual(
      [...new Set([...OPEN, ...ROUTES.map(({ method, path }) => `${method} ${path}`)])].sort(),
    );
    expect(new Set(all).size).toBe(all.length);
  });

  test("is what docs/security.md says, for every route and every caller", async () => {
    const rows: string[][] = [];
    for (const address of all) {
      const row = [address];
      for (const caller of CALLERS) row.push(await answerTo(address, await stage.caller(caller)));
      rows.push(row);
    }
    agree("people", ["", ...CALLERS], rows);
  }, 120_000);

  test("is what docs/security.md says, for every route and every scope of the owner's tokens", async () => {
    const rows: string[][] = [];
    for (const address of all) {
      const row = [address];
      for (const scope of SCOPED) row.push(await answerTo(address, await stage.scoped(scope)));
      rows.push(row);
    }
    agree("scopes", ["", ...SCOPED], rows);
  }, 120_000);
});

/** `yes` where the caller gets as far as the thing itself, whatever becomes of it; else the status of the refusal. */
async function answerTo(
  address: string,
  token: (agent: { id: string; token: string }) => Promise<string | null>,
) {
  const [method = "", path = ""] = address.split(" ");
  const agent = await stage.agent();
  const secret = await token(agent);
  const at = await stage.address(path, agent);
  const status = method === "WS" ? await knockAs(at, agent, secret) : await ask(method, path, at, secret);
  return status === 401 || status === 403 ? String(status) : "yes";
}

async function ask(method: string, path: string, at: string, secret: string | null): Promise<number> {
  const body = await BODIES[`${method} ${path}`]?.(stage);
  return (await gateway.api(method, at, body, secret)).status;
}

async function knockAs(at: string, agent: { id: string; token: string }, secret: string | null) {
  await using _agent = at.endsWith("/terminal") ? await V1Agent.connect(gateway, agent) : null;
  const headers: Record<string, string> = secret === null ? {} : { Authorization: `Bearer ${secret}` };
  return (await knock(`${gateway.url}${at}`, headers)).status;
}

function agree(name: string, head: readonly string[], rows: readonly string[][]): void {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const table = [
    line(head.map((cell) => cell || "address")),
    line(head.map(() => "---")),
    ...rows.map(([address = "", ...cells]) => line([`\`${address}\``, ...cells])),
  ].join("\n");
  const [from, to] = [`<!-- table: ${name} -->`, `<!-- end: ${name} -->`];
  const text = readFileSync(DOCUMENT, "utf8");
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  expect([start >= 0, end > start]).toEqual([true, true]);
  if (process.env.REXEC_WRITE_TABLE) {
    writeFileSync(DOCUMENT, `${text.slice(0, start + from.length)}\n\n${table}\n\n${text.slice(end)}`);
    return;
  }
  console.log(table);
  expect(table.split("\n")).toEqual(
    text
      .slice(start + from.length, end)
      .trim()
      .split("\n"),
  );
}
