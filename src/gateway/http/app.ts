/** The HTTP side of the gateway: every route but the sockets'. */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { methodNotAllowed } from "hono/method-not-allowed";
import { secureHeaders } from "hono/secure-headers";
import { messageOf } from "../../lib/errors.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { COMMIT, VERSION } from "../../lib/version.ts";
import { HTTP_BODY_BYTES } from "../../protocol/limits.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps, Env } from "./context.ts";
import { DownloadFolder } from "./download-folder.ts";
import { downloadRoutes } from "./downloads.ts";
import { homePage } from "./home.ts";
import { installerFor } from "./installer.ts";
import { mount } from "./route.ts";
import { ROUTES } from "./routes.ts";

/** What the routes are made with. */
export interface AppOptions extends ApiDeps {
  downloads: string | null;
  logger: Logger;
}

export function createApp(options: AppOptions): Hono<Env> {
  const app = new Hono<Env>();
  app.use(
    secureHeaders({
      strictTransportSecurity: false, // the operator, or a proxy, decides about TLS
      xFrameOptions: "DENY",
      // With "no-referrer" a browser would send the Origin of the gateway's own forms as "null".
      referrerPolicy: "same-origin",
    }),
  );
  app.use("/api/*", noStore);
  app.use(
    bodyLimit({
      maxSize: HTTP_BODY_BYTES,
      onError: (c) => refuse(c, 413, "too_large", `a body may have ${HTTP_BODY_BYTES} bytes`),
    }),
  );
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        refuse(c, 405, "method_not_allowed", `${c.req.method} is not for this address`, {
          Allow: methods.join(", "),
        }),
    }),
  );
  app.get("/", (c) => homePage(c.env.publicUrl));
  const downloads = new DownloadFolder(options.downloads);
  app.get("/api/version", (c) => {
    const agent = downloads.agentVersion();
    return c.json({
      version: `v${VERSION}`,
      build: COMMIT,
      ...(agent ? { agent_version: `v${agent}` } : {}),
    });
  });
  app.get("/install-agent.sh", (c) =>
    c.body(installerFor(c.env.publicUrl), 200, {
      "Content-Type": "text/x-shellscript; charset=utf-8",
      "Cache-Control": "no-store",
    }),
  );
  app.route("/", downloadRoutes(downloads));
  mount(app, ROUTES, options);
  app.notFound((c) => refuse(c, 404, "not_found", "there is nothing at this address"));
  app.onError((error, c) => explain(error, c, options.logger));
  return app;
}

// --- internal ---

async function noStore(c: Context<Env>, next: () => Promise<void>): Promise<void> {
  await next();
  c.header("Cache-Control", "no-store");
}

function refuse(
  c: Context<Env>,
  status: number,
  code: string,
  message: string,
  headers?: Record<string, string>,
): Response {
  return new ApiError(status, code, message, headers).toResponse(c.env.requestId);
}

function explain(error: Error, c: Context<Env>, logger: Logger): Response {
  if (error instanceof ApiError) return error.toResponse(c.env.requestId);
  // The client left in the middle of its body. It reads no answer.
  if (error.name === "AbortError") return refuse(c, 400, "body_cut", "the request ended before its body");
  const fields = { request_id: c.env.requestId };
  const cause = {
    level: "error",
    kind: "failed requests",
    who: messageOf(error),
    atOnce: 3,
    fields,
  } as const;
  const line = `${c.req.method} ${c.req.path}: ${messageOf(error)} (request ${c.env.requestId})`;
  gather(logger, cause, line);
  return refuse(c, 500, "internal", "the gateway has a problem of its own; its log says which");
}
