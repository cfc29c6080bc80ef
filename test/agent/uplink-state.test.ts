import { describe, expect, test } from "bun:test";
import {
  type ConnectionEnd,
  dialMs,
  INITIAL,
  RESUME_FOR_MS,
  SUPERSEDED_WAIT_MS,
  transition,
  type UplinkState,
} from "../../src/agent/uplink/state.ts";

const subject = { host: "https://h.example", agentId: "a1", token: "rexec_x" };
const context = { subject, random: () => 0.5 };
const ended = (end: ConnectionEnd, at = 0) => ({ type: "ended", end, at }) as const;
const broken = ended({ kind: "closed", code: 1006, reason: "" });

function run(state: UplinkState, ...events: Parameters<typeof transition>[1][]): UplinkState {
  return events.reduce((now, event) => transition(now, event, context), state);
}

describe("the uplink's states", () => {
  test("the first retry comes within a second, later ones within 30", () => {
    let state = INITIAL;
    const delays: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      state = transition(state, ended({ kind: "unreachable", reason: "x" }), {
        subject,
        random: () => 1 - Number.EPSILON,
      });
      if (state.phase === "waiting") delays.push(Math.round(state.delayMs));
      state = run(state, { type: "waited" });
    }
    expect(delays.slice(0, 6)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
    expect(Math.max(...delays)).toBe(30_000);
  });

  test("a minute of health makes the next retry a first one again, a shorter life does not", () => {
    const tired: UplinkState = { phase: "dialling", auth: "header", failures: 5 };
    const after = (ms: number) => run(tired, { type: "opened", at: 0 }, { ...broken, at: ms });
    expect(after(60_000)).toMatchObject({ phase: "waiting", failures: 1, delayMs: 500 });
    expect(after(59_999)).toMatchObject({ phase: "waiting", failures: 6, delayMs: 15_000 });
  });

  test("while somebody waits who was looking at a session, the retries come within a second, for two minutes", () => {
    const latest = { subject, random: () => 1 - Number.EPSILON };
    const tired: UplinkState = { phase: "connected", auth: "header", failures: 5, since: 0 };
    let state = transition(tired, { ...broken, at: 1_000, served: true }, latest);
    const delays: number[] = [];
    for (let at = 1_000; at < RESUME_FOR_MS + 60_000 && state.phase === "waiting"; at += 5_000) {
      delays.push(Math.round(state.delayMs));
      const dialling = transition(state, { type: "waited" }, latest);
      expect(dialMs(dialling, at) !== null).toBe(at < RESUME_FOR_MS + 1_000);
      const refused = ended({ kind: "unreachable", reason: "x" }, at + 5_000);
      state = transition(dialling, refused, latest);
    }
    expect(delays.slice(0, 4)).toEqual([250, 500, 1_000, 1_000]);
    expect(delays.slice(0, 24).every((delay) => delay <= 1_000)).toBe(true);
    expect(delays.at(-1)).toBe(30_000);
  });

  test("a 401 to the header is final: the token is not put into an address", () => {
    const state = run(INITIAL, ended({ kind: "refused", status: 401 }));
    expect(state).toMatchObject({ phase: "stopped", error: { code: "http_401", exitCode: 4 } });
  });

  test("with token_in_query a 401 to the header is tried once in the address, and is final there", () => {
    const refused = ended({ kind: "refused", status: 401 });
    const allowed = { subject, tokenInQuery: true };
    const first = transition(INITIAL, refused, allowed);
    expect(first).toMatchObject({ phase: "waiting", auth: "query", delayMs: 0 });
    const second = transition(transition(first, { type: "waited" }, allowed), refused, allowed);
    expect(second).toMatchObject({ phase: "stopped", error: { code: "http_401", exitCode: 4 } });
  });

  test.each([403, 404])("%d is final and says what to run next", (status) => {
    const state = run(INITIAL, ended({ kind: "refused", status }));
    expect(state).toMatchObject({ phase: "stopped", error: { exitCode: 4, code: `http_${status}` } });
    if (state.phase === "stopped") expect(state.error?.hint).toContain("rexec-agent register");
  });

  test.each([302, 400, 429, 500, 502, 503])("%d is retried", (status) => {
    expect(run(INITIAL, ended({ kind: "refused", status })).phase).toBe("waiting");
  });

  test.each([200, 302])("%d to the upgrade asks whether the address is right", (status) => {
    const state = run(INITIAL, ended({ kind: "refused", status }));
    expect(state).toMatchObject({ reason: expect.stringContaining("is that a Rexec server's address?") });
  });

  test("one that is superseded says by what and waits minutes", () => {
    const state = run(
      INITIAL,
      { type: "opened", at: 0 },
      ended({ kind: "closed", code: 4001, reason: "10.0.0.7" }),
    );
    if (state.phase !== "waiting") throw new Error(state.phase);
    expect(state.reason).toContain("superseded by 10.0.0.7");
    expect(state.delayMs).toBeWithin(...SUPERSEDED_WAIT_MS);
  });

  test("a deleted agent stops for good", () => {
    const state = run(INITIAL, { type: "opened", at: 0 }, ended({ kind: "closed", code: 4004, reason: "" }));
    expect(state).toMatchObject({ phase: "stopped", error: { code: "deleted", exitCode: 4 } });
  });

  test("stop ends every state, and nothing leaves it again", () => {
    const stopped = run(INITIAL, { type: "stop" });
    expect(stopped).toEqual({ phase: "stopped", error: null });
    expect(run(stopped, { type: "opened", at: 1 }, broken, { type: "waited" })).toEqual(stopped);
  });
});
