import { describe, expect, test } from "bun:test";
import { connect, createServer } from "node:net";
import { connectionError } from "../../src/lib/connection-error.ts";
import { within } from "../support/wait.ts";

const url = (text: string) => new URL(text);
const of = (code: string, message = code) => Object.assign(new Error(message), { code });

describe("a connection that failed", () => {
  test.each([
    ["ENOTFOUND", "cannot find x.example: no such name"],
    ["ENOENT", "cannot find x.example: no such name"],
    ["EAI_AGAIN", "no name server answers"],
    ["ECONNREFUSED", "refuses the connection"],
    ["ECONNRESET", "closed the connection before it had answered"],
    ["ETIMEDOUT", "does not answer"],
    ["ENETUNREACH", "this machine has no way there"],
    ["EHOSTUNREACH", "this machine has no way there"],
    ["EADDRNOTAVAIL", "no address, or no free port"],
    ["EPERM", "this machine does not let us connect"],
    ["EMFILE", "no file descriptor is free"],
    ["HPE_INVALID_CONSTANT", "answers, but not in HTTP"],
    ["CERT_HAS_EXPIRED", "its certificate has expired"],
    ["CERT_NOT_YET_VALID", "its certificate is not valid yet"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "signed by itself"],
    ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "an authority that is not known here"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another name"],
  ])("by %s is said in words, with what to look at", (code, words) => {
    const error = connectionError(of(code), url("https://x.example/"));
    expect(error.message).toContain(words);
    expect(error.message).toContain("x.example");
    expect(error.hint).toBeTruthy();
  });

  test("keeps what it does not know", () => {
    expect(connectionError(of("EWHAT", "strange"), url("http://x.example")).message).toContain(
      "EWHAT: strange",
    );
  });

  test("through a proxy is told of the proxy", () => {
    const error = connectionError(
      of("ENOTFOUND"),
      url("https://x.example"),
      "http://user:secret@p.example:3128",
    );
    expect(error.message).toContain("the proxy p.example:3128");
    expect(error.message).not.toContain("secret");
  });

  test.each(["http://no-such-name.invalid", "http://127.0.0.1:1", "http://a..b:80", "http://[fe80::1]:80"])(
    "at %s is none of the raw codes of the system",
    async (address) => {
      const error = await fetch(address, { signal: AbortSignal.timeout(20_000) }).catch(
        (thrown: unknown) => thrown,
      );
      const { message } = connectionError(error, url(address));
      expect(message).not.toMatch(/\bE[A-Z]{4,}\b/);
    },
  );

  test("by a peer that speaks something else, or nothing, is said so", async () => {
    for (const say of ["SSH-2.0-x\r\n", ""]) {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => socket.end(say));
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      server.listen(0, "127.0.0.1", resolve);
      await within(promise, 5_000, "the server");
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("no port");
      const at = `http://127.0.0.1:${address.port}`;
      const error = await fetch(at, { signal: AbortSignal.timeout(5_000) }).catch(
        (thrown: unknown) => thrown,
      );
      expect(connectionError(error, url(at)).message).toMatch(/not in HTTP|closed the connection/);
      server.close();
    }
  });

  test("of plain TCP is said in the same words", async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    connect({ host: "300.1.1.1", port: 80 }).on("error", resolve);
    const error = await within(promise, 10_000, "the error");
    expect(connectionError(error, url("http://x.example")).message).toContain("cannot find");
  });
});
