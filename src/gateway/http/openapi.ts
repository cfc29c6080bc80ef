/**
 * The API as an OpenAPI 3.1 document, made of the declared routes and of the schemas that check bodies and read answers.
 * Loaded with the first request for it.
 */
import * as z from "zod/mini";
import { VERSION } from "../../lib/version.ts";
import { errorBody, versionBody } from "../../protocol/http.ts";
import { listShape } from "../../protocol/values.ts";
import type { Route } from "./route.ts";

/** What the document says of a route. */
type Documented = Pick<
  Route,
  "method" | "path" | "summary" | "action" | "body" | "query" | "answer" | "status"
>;

/** Routes beside the declared ones. */
const MORE: readonly Documented[] = [
  {
    method: "GET",
    path: "/api/version",
    action: "public",
    summary: "Tell the versions of the gateway and of the agents that it hands out",
    answer: versionBody,
  },
];

/** @param url under which the sender reaches the gateway */
export function openApiDocument(routes: readonly Route[], url: string) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const each of [...routes, ...MORE]) {
    // Pages are for browsers, and change with them.
    if (!/^\/(api\/|health$|ready$|metrics$)/.test(each.path)) continue;
    const path = each.path.replaceAll(PARAMETER, "{$1}");
    paths[path] = { ...paths[path], [each.method.toLowerCase()]: operationOf(each) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Rexec gateway",
      version: VERSION,
      description:
        "Terminals are WebSockets, which OpenAPI does not describe. Unknown fields of an answer are to be ignored.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url }],
    security: [{ token: [] }, { session: [] }, { plain_session: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "An API token, or an agent's own" },
        session: {
          type: "apiKey",
          in: "cookie",
          name: "__Host-rexec",
          description: "A browser's, over https",
        },
        plain_session: { type: "apiKey", in: "cookie", name: "rexec_session", description: "Over http" },
      },
      schemas: { Error: schemaOf(errorBody) },
      responses: {
        Error: {
          description: "A refusal. `code` is for programs, `error` for people",
          content: json({ $ref: "#/components/schemas/Error" }),
        },
      },
    },
  };
}

// --- internal ---

/** `:name` in a path. */
const PARAMETER = /:([a-z_]+)/g;

function operationOf({ method, path, summary, action, body, query, answer, status = 200 }: Documented) {
  const parameters = [
    ...[...path.matchAll(PARAMETER)].map(([, name]) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string" },
    })),
    ...Object.entries(query ?? {}).map(([name, description]) => ({
      name,
      in: "query",
      description,
      schema: { type: "string" },
    })),
  ];
  const isText = path === "/metrics";
  const content = isText
    ? { "text/plain": { schema: { type: "string" } } }
    : answer && json(schemaOf(answer));
  return {
    operationId: operationIdOf(method, path),
    summary,
    tags: [path.split("/").at(path.startsWith("/api/") ? 2 : 1)],
    "x-rexec-action": action,
    ...(action === "public" ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: { required: true, content: json(schemaOf(body)) } } : {}),
    responses: {
      [status]: { description: "It is done", ...(content ? { content } : {}) },
      default: { $ref: "#/components/responses/Error" },
    },
  };
}

/** `getApiAgentsByIdStatus` */
function operationIdOf(method: string, path: string): string {
  const words = path.replaceAll(PARAMETER, "by-$1").split(/[^a-z0-9]+/);
  const named = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${method.toLowerCase()}${named.join("")}`;
}

function json(schema: object) {
  return { "application/json": { schema } };
}

/** What travels: before a text is cut or a missing field gets its value. */
function schemaOf(schema: z.core.$ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable({ zodSchema }) {
      const list = listShape(zodSchema);
      if (!list) return "any";
      return { type: "array", items: schemaOf(list.entry), ...(list.isLimit ? { maxItems: list.max } : {}) };
    },
  });
  return rest;
}
