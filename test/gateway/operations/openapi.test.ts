/** `/api/openapi.json`: a valid document, of every route, that says what the routes answer. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";
import { ROUTES } from "../../../src/gateway/http/routes.ts";
import { call, startGateway, type TestGateway } from "../../support/gateway.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { BODIES, Stage } from "../access/stage.ts";

interface Operation {
  operationId: string;
  security?: object[];
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}

let gateway: TestGateway;
let stage: Stage;
let document: { paths: Record<string, Record<string, Operation>>; servers: { url: string }[] };
const ajv = new Ajv2020({ strict: false });

beforeAll(async () => {
  gateway = await startGateway({ failedLogins: { burst: 1_000_000, refillMs: 1, maxAddresses: 10 } });
  stage = await Stage.make(gateway);
  document = (await call(gateway.url, "GET", "/api/openapi.json")).json;
});
afterAll(() => gateway[Symbol.asyncDispose]());

test("passes a validator of OpenAPI 3.1, and nobody needs a token for it", async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document));
  expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  expect(validator.version).toBe("3.1");
  expect(document.servers).toEqual([{ url: gateway.url }]);
});

test("names the address that the sender knows", async () => {
  await using behind = await startGateway({ publicUrl: "https://rexec.example.com/below" });
  const { json } = await call(behind.url, "GET", "/api/openapi.json");
  expect(json.servers).toEqual([{ url: "https://rexec.example.com/below" }]);
});

test("has every route of the API, with its parameters, its body and who may call it", () => {
  const seen = new Set<string>();
  for (const { method, path, action, body, query, status = 200 } of ROUTES) {
    if (!path.startsWith("/api/")) continue;
    const operation = document.paths[path.replaceAll(/:([a-z_]+)/g, "{$1}")]?.[method.toLowerCase()];
    expect(operation, `${method} ${path}`).toBeDefined();
    if (!operation) continue;
    expect(seen.has(operation.operationId)).toBe(false);
    seen.add(operation.operationId);
    const named = (where: string) =>
      (operation.parameters ?? []).filter((each) => each.in === where).map(({ name }) => name);
    expect(named("path")).toEqual([...path.matchAll(/:([a-z_]+)/g)].map(([, name]) => name ?? ""));
    expect(named("query")).toEqual(Object.keys(query ?? {}));
    expect(operation.requestBody !== undefined).toBe(body !== undefined);
    expect(operation.responses[status]).toBeDefined();
    expect(operation.security).toEqual(action === "public" ? [] : undefined);
  }
  expect(seen.size).toBeGreaterThan(20);
});

describe("what it says of bodies", () => {
  const bodyOf = (method: string, path: string) => {
    const operation = document.paths[path]?.[method];
    return ajv.compile(operation?.requestBody?.content["application/json"]?.schema ?? { not: {} });
  };

  test("is true of those that the routes take", async () => {
    await stage.agent();
    for (const [address, make] of Object.entries(BODIES)) {
      const [method = "", path = ""] = address.split(" ");
      const valid = bodyOf(method.toLowerCase(), path.replaceAll(/:([a-z_]+)/g, "{$1}"));
      expect([address, valid(await make(stage)), valid.errors]).toEqual([address, true, null]);
    }
  });

  test("is true of those that the routes refuse, lists within them too", () => {
    const tokens = bodyOf("post", "/api/tokens");
    expect(tokens({ name: "x", scopes: ["read"] })).toBe(true);
    for (const bad of [{}, { name: "" }, { name: "x", scopes: "read" }, { name: "x", scopes: [1] }]) {
      expect(tokens(bad)).toBe(false);
    }
    const agents = bodyOf("post", "/api/agents/register");
    expect(agents({ name: "x", tags: ["a"] })).toBe(true);
    expect(agents({ name: "x", tags: Array.from({ length: 65 }, (_, i) => `t${i}`) })).toBe(false);
    expect(agents({ name: "x", tags: [{}] })).toBe(false);
  });
});

test("says what each route answers that is read", async () => {
  const agent = await stage.agent();
  await using _agent = await V1Agent.connect(gateway, agent);
  // So that no list is empty.
  for (const address of ["POST /api/grants", "POST /api/groups", "POST /api/joins", "POST /api/tokens"]) {
    const [, path = ""] = address.split(" ");
    const { status } = await gateway.api("POST", path, await BODIES[address]?.(stage));
    expect([address, status]).toEqual([address, 201]);
  }
  const mine = await gateway.register("mine");
  await using _mine = await V1Agent.connect(gateway, mine);
  const tried: string[] = [];
  const refused: string[] = [];
  for (const { method, path, answer } of ROUTES) {
    if (method !== "GET" || !path.startsWith("/api/") || path === "/api/openapi.json") continue;
    const at = (await stage.address(path, agent)).replace(agent.id, mine.id);
    const { status, json } = await gateway.api("GET", at);
    // For another kind of credential, or a thing that the stage has none of.
    if (status >= 400) {
      refused.push(path);
      continue;
    }
    expect([path, answer === undefined]).toEqual([path, false]);
    const operation = document.paths[path.replaceAll(/:([a-z_]+)/g, "{$1}")]?.get;
    const schema = operation?.responses[status]?.content?.["application/json"]?.schema ?? { not: {} };
    const valid = ajv.compile(schema);
    expect([path, status, valid(json), valid.errors]).toEqual([path, status, true, null]);
    tried.push(path);
  }
  expect(tried).toContain("/api/agents/:id/status");
  expect(tried).toContain("/api/grants");
  expect(tried.length).toBeGreaterThan(12);
  expect(refused.length).toBeLessThan(6);
}, 30_000);

test("refusals are the error that it describes", async () => {
  const schema = (await call(gateway.url, "GET", "/api/openapi.json")).json.components.schemas.Error;
  const valid = ajv.compile(schema);
  for (const [method, path] of [
    ["GET", "/api/agents"],
    ["GET", "/api/nothing"],
    ["PUT", "/api/agents"],
  ] as const) {
    const { status, json } = await call(gateway.url, method, path);
    expect([path, status >= 400, valid(json), valid.errors]).toEqual([path, true, true, null]);
  }
});
