import { afterAll, describe, expect, test } from "bun:test";
import * as z from "zod/mini";
import { ExitCode, RexecError } from "../../src/lib/errors.ts";
import { tokenPlace } from "../../src/lib/hints.ts";
import { type ApiRequest, HttpError, requestJson } from "../../src/lib/http.ts";
import { resolveEndpoint } from "../../src/lib/net.ts";
import { testWith } from "../support/needs.ts";
import { within } from "../support/wait.ts";

/** Answers whatever the test that is running wants answered. */
let answer: (request: Request) => Response | Promise<Response> = () => new Response("{}");
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => answer(request) });
afterAll(() => server.stop(true));

const anything = z.unknown();

describe("requestJson", () => {
  test("sends token and body, and gives the checked answer", async () => {
    answer = async (request) =>
      Response.json({
        auth: request.headers.get("authorization"),
        type: request.headers.get("content-type"),
        body: await request.json(),
      });
    const schema = z.object({ auth: z.string(), type: z.string(), body: z.object({ name: z.string() }) });
    const got = await requestJson({
      ...base(),
      method: "POST",
      token: "rexec_x",
      body: { name: "漢" },
      schema,
    });
    expect(got).toEqual({ auth: "Bearer rexec_x", type: "application/json", body: { name: "漢" } });
  });

  test.each([
    [401, ExitCode.rejected],
    [403, ExitCode.rejected],
    [404, ExitCode.rejected],
    [429, ExitCode.failed],
    [500, ExitCode.failed],
    [503, ExitCode.failed],
    [302, ExitCode.failed],
  ])("a %i with a JSON body becomes its own words, a hint, and exit code %i", async (status, exitCode) => {
    answer = () =>
      Response.json({ error: "it is so", code: "because" }, { status, headers: { location: "/elsewhere" } });
    const error = await failure();
    if (!(error instanceof HttpError)) throw error;
    expect(error.status).toBe(status);
    expect(error.serverCode).toBe("because");
    expect(error.message).toContain("it is so");
    expect(error.message).not.toContain("\n");
    expect(error.hint).toBeTruthy();
    expect(error.exitCode).toBe(exitCode);
  });

  test.each([
    ["", "no explanation"],
    ["<!DOCTYPE html><html><title>Bad gateway</title>…", 'an HTML page, "Bad gateway"'],
    ["<html>", "an HTML page"],
    ["just\n  text", "just text"],
    ['{"error": 5}', '{"error": 5}'],
    ["x".repeat(10_000), "x".repeat(120)],
  ])("a 500 whose body is no JSON error (%#) is still one line", async (body, said) => {
    answer = () => new Response(body, { status: 500 });
    const error = await failure();
    expect(error.message.endsWith(`: ${said}`)).toBe(true);
    expect(error.message).not.toContain("\n");
  });

  test.each(["<html><title>Login</title>", "[]", "null", "", "{", '"text"'])(
    "a 200 that is not what was asked for (%p) says whose it may be",
    async (body) => {
      answer = () => new Response(body);
      const error = await failure(z.object({ id: z.string() }));
      expect(error.code).toBe("bad_answer");
      expect(error.hint).toContain("--host");
    },
  );

  test("gives up on a server that does not answer", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    answer = () => promise;
    const error = await failure(anything, { timeoutMs: 50 });
    resolve(new Response("{}"));
    expect(error.code).toBe("timeout");
  });

  test("gives up on a server that stops in the middle of its answer", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    answer = () =>
      new Response(
        new ReadableStream({
          async start(out) {
            out.enqueue("{");
            await promise;
            out.close();
          },
        }),
      );
    const error = await failure(anything, { timeoutMs: 200 });
    resolve();
    expect(error.code).toBe("timeout");
  });

  test("does not swallow an answer that has no end", async () => {
    let sent = 0;
    const cancelled = Promise.withResolvers<void>();
    const endless = {
      pull(out: ReadableStreamDefaultController) {
        sent += 1;
        out.enqueue(new Uint8Array(1024 * 1024));
      },
      cancel: () => cancelled.resolve(),
    };
    answer = () => new Response(new ReadableStream(endless));
    const error = await failure();
    expect(error.code).toBe("bad_answer");
    expect(error.message).toContain("16 MiB");
    await within(cancelled.promise, 5_000, "the connection to be let go");
    expect(sent).toBeLessThan(200);
  });

  test("passes an abort of its caller on", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    answer = () => promise;
    const controller = new AbortController();
    const running = requestJson({ ...base(), schema: anything, signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toThrow();
    resolve(new Response("{}"));
  });

  test("says that nobody listens", async () => {
    const gone = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const url = gone.url.origin;
    await gone.stop(true);
    const error = await failure(anything, {}, url);
    expect(error.code).toBe("unreachable");
    expect(error.message).toContain("refuses the connection");
  });

  test("says that there is no such name", async () => {
    const error = await failure(anything, {}, "https://no-such-host.invalid");
    expect(error.code).toBe("unreachable");
    expect(error.message).toContain("no-such-host.invalid");
  });

  testWith("openssl")("says that a certificate is not trusted", async () => {
    const { key, cert } = selfSigned();
    const tls = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { key, cert },
      fetch: () => new Response("{}"),
    });
    const error = await failure(anything, {}, `https://localhost:${tls.port}`);
    await tls.stop(true);
    expect(error.code).toBe("tls");
    expect(error.hint).toContain("ca_file");
  });

  test("says that a TLS address answers in plain text", async () => {
    const error = await failure(anything, {}, `https://127.0.0.1:${server.port}`);
    expect(error.message).toContain("speaks no TLS");
    expect(error.hint).toContain("http://");
  });
});

function base(url = server.url.origin): Omit<ApiRequest<never>, "schema"> {
  return { endpoint: resolveEndpoint({ url, insecure: false, env: {} }), method: "GET", path: "/api/x" };
}

async function failure(
  schema: z.ZodMiniType = anything,
  more: Partial<ApiRequest<unknown>> = {},
  url?: string,
): Promise<RexecError> {
  const error = await requestJson({ ...base(url), schema, ...more }).then(
    (value) => new Error(`it answered ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof RexecError) return error;
  throw error;
}

function selfSigned(): { key: string; cert: string } {
  const { stdout, success } = Bun.spawnSync(
    [
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      "-",
    ],
    { stderr: "ignore" },
  );
  if (!success) throw new Error("openssl made no certificate");
  const text = stdout.toString();
  const part = (name: string) =>
    new RegExp(`-----BEGIN ${name}-----[^]*?-----END ${name}-----`).exec(text)?.[0] ?? "";
  return { key: part("PRIVATE KEY"), cert: part("CERTIFICATE") };
}

describe("hints", () => {
  test.each([
    [403, "agent_limit_reached", /no more agents/],
    [403, "session_limit_reached", /a limit of its plan/],
    [403, "not_yours", /token of the account that owns it/],
    [403, "not_yours", /rexec grant add/],
    [404, "group_not_found", /rexec group ls/],
    [401, "token_revoked", /the token was revoked: make a new one/],
    [401, "token_expired", /the token expired: make a new one/],
    [404, "agent_offline", /start its agent/],
    [409, "something_new", /in use, or exists already/],
  ])("%i with the code %s has a hint of its own", async (status, code, hint) => {
    answer = () => Response.json({ error: "no", code }, { status });
    expect((await failure()).hint).toMatch(hint);
  });

  test("know a code that stands in the place of the text, with the text beside it or without", async () => {
    answer = () =>
      Response.json({ error: "agent_limit_reached", message: "5 agents at most" }, { status: 403 });
    const { message, hint } = await failure();
    expect(message).toEndWith(": 5 agents at most");
    expect(hint).toMatch(/no more agents/);
    answer = () => Response.json({ error: "agent_limit_reached" }, { status: 403 });
    expect((await failure()).message).toEndWith(": agent_limit_reached");
    expect((await failure()).hint).toMatch(/no more agents/);
    answer = () => Response.json({ error: "token_revoked", message: 7 }, { status: 401 });
    expect((await failure()).hint).toMatch(/the token was revoked/);
  });

  test("name the dashboard at the public service, which has one, and nowhere else", async () => {
    answer = () => Response.json({ error: "no" }, { status: 401 });
    expect((await failure()).hint).toMatch(/rexec serve --new-admin-token/);
    expect((await failure()).hint).not.toMatch(/dashboard|Settings/);
    expect(tokenPlace("https://rexec.pipeops.io/")).toMatch(/dashboard under Settings/);
    for (const other of ["https://rexec.pipeops.io.evil.example", "http://rexec.pipeops.io", "nonsense"])
      expect(tokenPlace(other)).not.toMatch(/dashboard/);
  });
});
