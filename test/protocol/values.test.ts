import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeBytes } from "../../src/protocol/bytes.ts";
import { agentListBody, profileBody, registerBody, registeredBody } from "../../src/protocol/http.ts";
import {
  bareAgentId,
  containerId,
  isSplitSession,
  MAIN_SESSION,
  splitSessionId,
} from "../../src/protocol/ids.ts";
import {
  AGENT_MESSAGE_BYTES,
  EXEC_STDIN_BYTES,
  EXEC_STREAM_BYTES,
  SERVER_MESSAGE_BYTES,
} from "../../src/protocol/limits.ts";
import { isJwt, jwtExpiry, tokenPrefix } from "../../src/protocol/token.ts";
import { encodeAgent, encodeServer } from "../../src/protocol/v1.ts";

describe("bytes", () => {
  test("survive the way as they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(decodeBytes(Buffer.from(bytes).toString("base64"))).toEqual(bytes);
      }),
    );
  });

  test.each(["a", "ab", "abc", "ab=", "ab==c", "-_-_", "a b!", "====", "é", "YQ"])(
    "%p is no standard base64",
    (text) => {
      expect(decodeBytes(text)).toBeNull();
    },
  );

  test("any text gives bytes or null, and never throws", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const bytes = decodeBytes(text);
        expect(bytes === null || bytes instanceof Uint8Array).toBe(true);
      }),
    );
  });
});

describe("ids", () => {
  test("of split sessions are told from the shared one", () => {
    fc.assert(
      fc.property(fc.string(), (viewer) => {
        const id = splitSessionId(viewer);
        expect(isSplitSession(id)).toBe(true);
        expect(splitSessionId(id)).toBe(id);
        expect(id).not.toBe(MAIN_SESSION);
      }),
    );
    expect(isSplitSession(MAIN_SESSION)).toBe(false);
  });

  test("of agents are found in the container list's form", () => {
    fc.assert(
      fc.property(fc.uuid(), (agent) => {
        expect(bareAgentId(containerId(agent))).toBe(agent);
        expect(bareAgentId(agent)).toBe(agent);
      }),
    );
  });
});

describe("tokens", () => {
  const token = `rexec_${"0123456789abcdef".repeat(4)}`;

  test("of ours are shown by their first twelve characters", () => {
    expect(tokenPrefix(token)).toBe("rexec_012345");
  });

  test("that are JWTs say when they expire", () => {
    const jwt = (claims: unknown) => `${part({ alg: "HS256" })}.${part(claims)}.c2ln`;
    const part = (content: unknown) => Buffer.from(JSON.stringify(content)).toString("base64url");
    expect(isJwt(jwt({}))).toBe(true);
    expect(isJwt(token)).toBe(false);
    expect(jwtExpiry(jwt({ exp: 1_700_000_000 }))).toBe(1_700_000_000_000);
    for (const claims of [{}, { exp: "soon" }, null, [], 7]) expect(jwtExpiry(jwt(claims))).toBeNull();
  });

  test("never make the reader throw", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.string(), fc.string(), fc.string()).map((parts) => parts.join(".")),
        ),
        (text) => {
          const expiry = jwtExpiry(text);
          expect(expiry === null || typeof expiry === "number").toBe(true);
          isJwt(text);
        },
      ),
    );
  });
});

describe("HTTP shapes", () => {
  test("read a profile with and without its envelope", () => {
    const user = { id: "1", username: "ada" };
    expect(profileBody.parse({ user })).toEqual(user);
    expect(profileBody.parse(user)).toEqual(user);
    expect(profileBody.safeParse({}).success).toBe(false);
  });

  test("read a list of agents that is null as an empty one", () => {
    expect(agentListBody.parse(null)).toEqual([]);
    expect(agentListBody.parse([{ id: "1", name: "a", status: "online", later: 1 }])).toEqual([
      { id: "1", name: "a", status: "online" },
    ]);
    expect(agentListBody.safeParse({ agents: [] }).success).toBe(false);
  });

  test("read a registration that got no token", () => {
    expect(registeredBody.parse({ id: "1", name: "a", warning: "no token" })).toEqual({
      id: "1",
      name: "a",
      warning: "no token",
    });
  });

  test("take a registration without what older agents leave out, and none without a name", () => {
    expect(registerBody.parse({ name: " box ", kernel: "6" })).toEqual({ name: "box" });
    for (const body of [{}, { name: "" }, { name: "   " }, { name: 5 }, { name: "x".repeat(129) }]) {
      expect(registerBody.safeParse(body).success).toBe(false);
    }
  });
});

describe("limits", () => {
  const worst = (length: number) => new Uint8Array(length).fill(1);

  test("let the largest exec result through: each stream full, each byte of the text escaped", () => {
    // Text that grows six-fold in JSON, once in `output`, and both streams in base64.
    const stream = encodeAgent.shellOutput("", worst(EXEC_STREAM_BYTES)).length;
    const output = JSON.stringify("\u0001".repeat(1024)).length * (EXEC_STREAM_BYTES / 1024);
    expect(2 * stream + output).toBeLessThan(AGENT_MESSAGE_BYTES);
  });

  test("let the largest stdin through", () => {
    const request = encodeServer.exec({ command: "cat", stdin: worst(EXEC_STDIN_BYTES).toBase64() });
    expect(request.length).toBeLessThan(SERVER_MESSAGE_BYTES);
  });
});
