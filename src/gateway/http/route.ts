/**
 * A route is declared with what it asks of its caller, and `mount` keeps it: no handler runs before. The list of all routes
 * (`routes.ts`) is also where the table of roles and the OpenAPI document come from.
 */
import type { Context, Hono } from "hono";
import type * as z from "zod/mini";
import { bareAgentId } from "../../protocol/ids.ts";
import type { Principal } from "../auth/principal.ts";
import type { Action } from "../auth/scopes.ts";
import { RULES } from "../auth/scopes.ts";
import type { AgentRow } from "../store/agents.ts";
import { type ApiDeps, authenticate, type Env, findAgent, readBody } from "./context.ts";

/** What a handler is given. */
export interface RouteCall<Body> {
  readonly c: Context<Env>;
  readonly deps: ApiDeps;
  readonly body: Body;
  /** A part of the path, decoded; empty where the path has none of that name. */
  param(name: string): string;
}

/** A call by a known caller. */
export interface KnownCall<Body> extends RouteCall<Body> {
  readonly principal: Principal;
  /** The agent of the path. Only actions about an agent have one: `agentOf` reads it. */
  readonly agent: AgentRow | null;
}

interface Declared<Body> {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With `:name` for a part that varies. `:id` is the agent where the action is about one. */
  readonly path: string;
  /** One line: what it does. */
  readonly summary: string;
  /** The JSON that it takes. @see readBody */
  readonly body?: z.ZodMiniType<Body>;
  /** Names of the query, and what each means. */
  readonly query?: Readonly<Record<string, string>>;
  /** The JSON that it answers with. */
  readonly answer?: z.ZodMiniType;
  /** Of the answer where all went well; default 200. */
  readonly status?: number;
}

/** A route for any caller. */
export interface PublicRoute<Body> extends Declared<Body> {
  readonly action: "public";
  handle(call: RouteCall<Body>): Response | Promise<Response>;
}

/** A route for callers that may do its action. */
export interface KnownRoute<Body> extends Declared<Body> {
  readonly action: Exclude<Action, "public">;
  handle(call: KnownCall<Body>): Response | Promise<Response>;
}

/** A declared route. Owned by the file that declares it. */
export type Route = (PublicRoute<unknown> | KnownRoute<unknown>) & { readonly mounted?: never };

/** Declares a route: the body that the handler gets has the schema's shape. */
export function route<Body = undefined>(declared: PublicRoute<Body> | KnownRoute<Body>): Route {
  // The handler only ever gets what the schema beside it has made.
  return declared as Route;
}

/** @throws ApiError 401, 403, 404, 429, 400: in this order, so that a stranger learns nothing of what there is */
export function mount(app: Hono<Env>, routes: readonly Route[], deps: ApiDeps): void {
  for (const declared of routes) {
    app.on(declared.method, declared.path, async (c) => {
      const param = (name: string) => c.req.param(name) ?? "";
      if (declared.action === "public") {
        return declared.handle({ c, deps, param, body: await bodyOf(c, declared) });
      }
      const principal = await authenticate(c, deps);
      const agent = isAboutAgent(declared)
        ? await findAgent(deps.store, agentIdOf(declared, param("id")))
        : null;
      await deps.access.require(principal, declared.action, agent ?? undefined);
      const body = await bodyOf(c, declared);
      return declared.handle({ c, deps, param, body, principal, agent });
    });
  }
}

/** The agent of the path. */
export function agentOf({ agent }: KnownCall<unknown>): AgentRow {
  if (!agent) throw new Error("this route is about no agent");
  return agent;
}

/** True for a route whose action needs a right over the agent in its path. */
export function isAboutAgent({ action, path }: Pick<Route, "action" | "path">): boolean {
  return action !== "public" && action !== "any" && "level" in RULES[action] && path.includes("/:id");
}

// --- internal ---

async function bodyOf(c: Context<Env>, { body }: Route): Promise<unknown> {
  return body ? readBody(c, body) : undefined;
}

/** The stock CLI names an agent `agent:UUID` where it lists containers. */
function agentIdOf({ path }: Route, id: string): string {
  return path.startsWith("/api/containers/") ? bareAgentId(id) : id;
}
