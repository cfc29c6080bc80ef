import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { redact } from "../../src/lib/redact.ts";

const LOG = new URL("../../src/lib/log.ts", import.meta.url).pathname;
const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 });

describe("redact", () => {
  test("leaves of a token what may be shown, wherever it stands", () => {
    fc.assert(
      fc.property(hex, fc.string(), fc.string(), (digits, before, after) => {
        const text = redact(`${before}rexec_${digits}${after}`);
        expect(text).not.toContain(digits);
        expect(text).toContain(`rexec_${digits.slice(0, 6)}`);
      }),
    );
  });

  test("blanks a JWT and the token of a URL", () => {
    expect(redact("Bearer eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln!")).toBe("Bearer eyJ…!");
    expect(redact("wss://x/ws/agent/1?token=s3cret&id=2")).toBe("wss://x/ws/agent/1?token=…&id=2");
    expect(redact("wss://x/ws?id=2&token=s3cret")).toBe("wss://x/ws?id=2&token=…");
  });

  test("blanks other secrets by where they stand", () => {
    expect(redact("sent Authorization: Bearer s3cret, again")).toBe("sent Authorization: Bearer …, again");
    expect(redact("offered rexec.token.s3cret, rexec.v1")).toBe("offered rexec.token.…, rexec.v1");
    expect(redact("REXEC_TOKEN=s3cret rexec ls")).toBe("REXEC_TOKEN=… rexec ls");
    expect(redact("/login?next=%2Fws%3Ftoken%3Ds3cret")).toBe("/login?next=%2Fws%3Ftoken%3D…");
    expect(redact("the proxy http://me:s3cret@proxy:3128")).toBe("the proxy http://me:…@proxy:3128");
  });

  test("leaves everything else as it is", () => {
    expect(redact("agent prod-1 connected to https://x.example")).toBe(
      "agent prod-1 connected to https://x.example",
    );
  });
});

describe("createLogger", () => {
  test("writes plain lines to stderr, nothing to stdout, and no secret", async () => {
    const { out, err } = await logged(
      "info",
      'log.info("hello"); log.warn("token rexec_" + "a".repeat(64)); log.debug("hidden")',
    );
    expect(out).toBe("");
    expect(err).toContain("hello");
    expect(err).not.toContain("a".repeat(64));
    expect(err).not.toContain("hidden");
    expect(err).not.toContain("\u001b");
  });

  test("writes every one of many equal lines", async () => {
    const { err } = await logged("info", 'for (let i = 0; i < 50; i += 1) log.info("same");');
    expect(err.match(/same/g)?.length).toBe(50);
  });

  test("writes more at debug, only errors at error, nothing at silent, and the usual at a level that it does not know", async () => {
    const all = 'log.debug("d1"); log.info("i1"); log.error("e1")';
    expect((await logged("debug", all)).err).toMatch(/d1[\s\S]*i1[\s\S]*e1/);
    expect((await logged("error", all)).err).not.toContain("i1");
    expect((await logged("silent", all)).err).toBe("");
    expect((await logged("loud", all)).err).toMatch(/i1[\s\S]*e1/);
  });
});

/** What a process of its own writes, since the logger takes the process's stderr. */
async function logged(level: string, code: string): Promise<{ out: string; err: string }> {
  const program = `import { createLogger } from ${JSON.stringify(LOG)}; const log = createLogger(${JSON.stringify(level)}, false); ${code}`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env.PATH },
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err };
}
