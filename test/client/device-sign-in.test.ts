import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { awaitApproval, beginDeviceSignIn } from "../../src/client/device-sign-in.ts";
import { resolveEndpoint } from "../../src/lib/net.ts";

setDefaultTimeout(30_000);

/** Another server of RFC 8628: answers its polls with these, and notes when each came. */
function serverOf(answers: (() => Response)[]) {
  const polls: number[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/api/device/code") {
        return Response.json({
          device_code: "d",
          user_code: "BCDF-GHJK",
          verification_uri: "https://rexec.example/device",
          expires_in: 60,
          interval: 1,
        });
      }
      polls.push(performance.now());
      return answers[polls.length - 1]?.() ?? Response.json({ error: "expired_token" }, { status: 400 });
    },
  });
  const endpoint = resolveEndpoint({ url: `http://127.0.0.1:${server.port}`, insecure: false, env: {} });
  return { server, endpoint, polls };
}

const failing = (error: string) => () =>
  Response.json({ error, error_description: "words" }, { status: 400 });

describe("signing in by a code", () => {
  test("polls at the server's pace, slower where it says so, and through a failure on the way", async () => {
    const granted = () => Response.json({ access_token: "rexec_made", token_type: "Bearer" });
    const broken = () => new Response("<html>bad gateway", { status: 502 });
    const gapsWith = async (answer: () => Response) => {
      const { server, endpoint, polls } = serverOf([failing("authorization_pending"), answer, granted]);
      const start = await beginDeviceSignIn(endpoint, null);
      if (!start) throw new Error("the server has no device flow");
      const began = performance.now();
      expect(await awaitApproval(endpoint, start, new AbortController().signal)).toBe("rexec_made");
      await server.stop(true);
      return polls.map((at, index) => at - (polls[index - 1] ?? began));
    };
    for (const gaps of await Promise.all([gapsWith(failing("slow_down")), gapsWith(broken)])) {
      for (const [index, least] of [1_000, 1_000, 6_000].entries())
        expect(gaps[index]).toBeGreaterThanOrEqual(least - 50);
    }
  });

  test.each([
    ["access_denied", "the sign-in was refused"],
    ["expired_token", "the code has expired before it was approved"],
    ["invalid_grant", "answered 400"],
  ])("ends with %s", async (code, message) => {
    const { server, endpoint } = serverOf([failing(code)]);
    const start = await beginDeviceSignIn(endpoint, null);
    if (!start) throw new Error("the server has no device flow");
    await expect(awaitApproval(endpoint, start, new AbortController().signal)).rejects.toThrow(message);
    await server.stop(true);
  });

  test("stops polling when it is told to", async () => {
    const { server, endpoint, polls } = serverOf([]);
    const start = await beginDeviceSignIn(endpoint, null);
    if (!start) throw new Error("the server has no device flow");
    const stop = new AbortController();
    const token = awaitApproval(endpoint, start, stop.signal);
    stop.abort(new Error("enough"));
    await expect(token).rejects.toThrow("enough");
    expect(polls).toEqual([]);
    await server.stop(true);
  });

  test.each([
    ["404", () => new Response("not found", { status: 404 })],
    ["401", () => Response.json({ error: "invalid token" }, { status: 401 })],
    ["405", () => new Response("", { status: 405 })],
    ["a page", () => new Response("<!doctype html><title>Dashboard</title>")],
    ["half an answer", () => Response.json({ user_code: "BCDF-GHJK" })],
  ])("is not there where the server answers with %s", async (_, answer) => {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    const endpoint = resolveEndpoint({ url: `http://127.0.0.1:${server.port}`, insecure: false, env: {} });
    expect(await beginDeviceSignIn(endpoint, null)).toBeNull();
    await server.stop(true);
  });

  test("is not replaced by a question where the server has a problem, or is not there", async () => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("", { status: 503 }),
    });
    const url = `http://127.0.0.1:${server.port}`;
    const endpoint = resolveEndpoint({ url, insecure: false, env: {} });
    await expect(beginDeviceSignIn(endpoint, null)).rejects.toThrow("answered 503");
    await server.stop(true);
    await expect(beginDeviceSignIn(endpoint, null)).rejects.toThrow("refuses the connection");
  });
});
