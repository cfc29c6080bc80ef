/** What the fuzzers send. Each attack goes on until its time is over, as its seed says, and never faster than it is read. */
import { connect } from "node:net";
import { encodeFrame } from "../../../src/protocol/v2/frames.ts";
import { within } from "../../support/wait.ts";
import { Opcode, RawSocket } from "../raw-socket.ts";
import type { Random } from "./random.ts";
import { terminalStream } from "./terminal-stream.ts";

export interface Target {
  url: string;
  /** A user's, of an account with nothing but what the fuzzers use. */
  token: string;
  agent: { id: string; token: string };
}

export interface Attack {
  target: Target;
  random: Random;
  /** `performance.now()` at which it ends. */
  until: number;
}

/** Messages sent between two breaths of the event loop. */
const BURST = 20;
/** Connections are given up on after so many messages: each is a state of its own to begin in. */
const MESSAGES = 200;

/** What the gateway answered, by status; for HTTP. */
export type Statuses = Record<string, number>;

export async function attackHttp({ target, random, until }: Attack): Promise<Statuses> {
  const statuses: Statuses = {};
  while (performance.now() < until) {
    const request = httpRequest(target, random);
    const status = await answerTo(target.url, random.chance(0.3) ? random.mutate(request) : request);
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return statuses;
}

export async function attackAsAgent(attack: Attack): Promise<void> {
  const { id, token } = attack.target.agent;
  await attackSocket(attack, `/ws/agent/${id}`, token, AGENT_MESSAGES);
}

export async function attackAsViewer(attack: Attack): Promise<void> {
  const { target, random } = attack;
  const path = () => {
    const query = new URLSearchParams({ id: random.pick(["a", "b", "\n", "x".repeat(300)]) });
    if (random.chance(0.3)) query.set("newSession", "true");
    if (random.chance(0.2)) query.set("exec", "1");
    return `/ws/agent/${target.agent.id}/terminal?${query}`;
  };
  await attackSocket(attack, path, target.token, VIEWER_MESSAGES);
}

/** An agent that behaves, whose one session prints what no terminal was made for. */
export function* terminalOutput(random: Random): Generator<Uint8Array<ArrayBuffer>> {
  for (;;) yield terminalStream(random, 1 + random.int(4_000));
}

// --- internal ---

async function attackSocket(
  { target, random, until }: Attack,
  path: string | (() => string),
  token: string,
  messages: readonly object[],
): Promise<void> {
  while (performance.now() < until) {
    const protocol = random.pick(["rexec.v2", "rexec.v1", "rexec.v2, rexec.v1"]);
    const url = `${target.url}${typeof path === "string" ? path : path()}`;
    const opened = await RawSocket.open(url, token, protocol).catch(() => null);
    if (!opened) {
      await Bun.sleep(20); // refused: its agent is away, or it has had its share
      continue;
    }
    await using socket = opened;
    for (let n = 0; n < MESSAGES && !socket.isClosed && performance.now() < until; n += 1) {
      sendOne(socket, random, messages);
      if (n % BURST === 0) await socket.flushed(2_000).then(() => Bun.sleep(1));
    }
  }
}

function sendOne(socket: RawSocket, random: Random, messages: readonly object[]): void {
  const choice = random.next();
  if (choice < 0.55) socket.text(JSON.stringify(random.mangle(random.pick(messages))));
  else if (choice < 0.65)
    socket.frame(Opcode.text, random.mutate(Buffer.from(JSON.stringify(random.pick(messages)))));
  else if (choice < 0.8) socket.frame(Opcode.binary, dataFrame(random));
  else if (choice < 0.88) socket.frame(Opcode.binary, random.mutate(dataFrame(random)));
  else if (choice < 0.92)
    socket.frame(random.int(16), random.bytes(random.int(200)), { fin: random.chance(0.5) });
  else if (choice < 0.96) socket.frame(Opcode.ping, random.bytes(random.int(126)));
  else if (choice < 0.98) socket.text("[".repeat(random.int(100_000)));
  else socket.write(random.bytes(random.int(40)));
}

function dataFrame(random: Random): Uint8Array<ArrayBuffer> {
  const channel = random.pick([0, 1, 2, 3, 255, 0xffff_ffff]);
  const stream = random.pick([0, 1, 2] as const);
  const offset = random.pick([0, 1, 1_000, 2 ** 31, 2 ** 52]);
  if (random.chance(0.4)) {
    return encodeFrame({ kind: "ack", stream, channel, consumed: offset, limit: offset + random.int(1e6) });
  }
  return encodeFrame({ kind: "data", stream, channel, offset, bytes: random.bytes(random.int(2_000)) });
}

function httpRequest({ url, token, agent }: Target, random: Random): Uint8Array {
  const { host } = new URL(url);
  const id = random.pick([
    agent.id,
    agent.id.toUpperCase(),
    "..",
    "%2e%2e",
    `agent:${agent.id}`,
    "x",
    "\u00e9",
    "%",
  ]);
  const path = random.pick([
    "/",
    "/health",
    "/api/version",
    "/api/agents",
    `/api/agents?limit=${random.pick(["1", "0", "x", "1e99"])}&cursor=${random.pick(["", "e30", "AAAA"])}`,
    `/api/agents/${id}`,
    `/api/agents/${id}/status`,
    `/api/agents/${id}/sessions`,
    `/api/agents/${id}/sessions/${random.pick(["main", "..", "%2e%2e", "%00", "a%2fb", "x".repeat(3_000)])}`,
    "/api/agents/register",
    `/api/agents?pending=${random.pick(["true", "1", "%00"])}`,
    `/api/agents/${id}/accept`,
    "/api/joins",
    `/api/joins/${id}`,
    "/api/containers",
    `/api/containers/${id}`,
    `/api/containers/${id}/stop`,
    "/api/containers/events",
    "/api/tokens",
    `/api/tokens/${id}`,
    "/api/tokens/validate",
    "/api/profile",
    "/install-agent.sh",
    `/downloads/${random.pick(["SHA256SUMS", "rexec-agent-linux-amd64.sha256", "../../etc/passwd", "%2e%2e%2fx", "v1.2.3/x"])}`,
    `/ws/agent/${id}`,
    `/ws/agent/${id}/terminal`,
    "*",
    "//",
    `/${"a/".repeat(random.int(500))}`,
  ]);
  const body = JSON.stringify(random.mangle(random.pick(BODIES)));
  const length = random.pick([String(Buffer.byteLength(body)), "0", "-1", "1", "99999999999", "x"]);
  const lines = [
    `${random.pick(["GET", "GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT", "TRACE", "\u00fc"])} ${path} ${random.pick(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2", "HTTP/9"])}`,
    random.pick([`Host: ${host}`, `Host: ${host}`, "Host: a\r\nHost: b", "Host: $(id)", "Host:", ""]),
    random.pick([
      `Authorization: Bearer ${token}`,
      `Authorization: Bearer ${agent.token}`,
      "Authorization: Bearer x",
      "",
    ]),
    random.pick(["Content-Type: application/json", "Content-Type: \u0001", ""]),
    random.pick([
      `Content-Length: ${length}`,
      "Transfer-Encoding: chunked",
      `Content-Length: 1\r\nContent-Length: 2`,
      "",
    ]),
    random.pick([
      "Upgrade: websocket\r\nConnection: Upgrade",
      "Connection: close",
      "Expect: 100-continue",
      "Range: bytes=0-0,-1",
      "",
    ]),
    random.pick([
      "X-Forwarded-For: 1.2.3.4",
      "X-Forwarded-Host: evil",
      "Origin: null",
      `Cookie: ${"a".repeat(2_000)}`,
      "",
    ]),
  ].filter((line) => line !== "");
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

/** The status, or `none` where the connection was closed or nothing came within a second. */
async function answerTo(url: string, request: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("error", () => resolve("none"));
  socket.on("close", () => resolve("none"));
  socket.once("data", (chunk) => resolve(/^HTTP\/1\.\d (\d+)/.exec(chunk.toString("latin1"))?.[1] ?? "none"));
  socket.write(request);
  try {
    return await within(promise, 1_000, "a status").catch(() => "none");
  } finally {
    socket.destroy();
  }
}

const SIZE = { cols: 80, rows: 24 };
const SESSION = {
  session: "main",
  instance: "11111111-1111-4111-8111-111111111111",
  kind: "shell",
  command: "/bin/sh",
  started_at: 1,
  last_output_at: 2,
  ended_at: null,
  exit_code: null,
  signal: null,
  bytes: 10,
  ...SIZE,
  viewers: 0,
};

const AGENT_MESSAGES: readonly object[] = [
  {
    type: "system_info",
    data: {
      os: "linux",
      arch: "amd64",
      num_cpu: 2,
      hostname: "box",
      memory: { total: 1, available: 1, free: 1 },
      disk: { total: 1, free: 1, available: 1 },
      is_root: false,
      has_sudo: false,
    },
  },
  { type: "stats", data: { cpu_percent: 1, memory: 1, memory_limit: 2, disk_usage: 1, disk_limit: 2 } },
  { type: "shell_starting", data: { session_id: "main" } },
  { type: "shell_started", data: { session_id: "main" } },
  { type: "shell_output", data: { session_id: "main", data: "aGVsbG8bWzJK" } },
  { type: "shell_stopped", data: { session_id: "main", exit_code: 0 } },
  { type: "shell_error", data: { session_id: "main", error: "it failed" } },
  { type: "exec_result", data: { command: "ls", output: "x", success: true, id: "1", exit_code: 0 } },
  { type: "pong" },
  { type: "ping" },
  { type: "sessions", sessions: [SESSION, SESSION] },
  { type: "attached", channel: 1, info: SESSION, starts: [0, 0], input: 0, created: true },
  { type: "screen", channel: 1, offset: 5, bytes: 5, ...SIZE, skipped: 0 },
  { type: "ended", channel: 1, exit_code: 0, signal: null },
  { type: "size", channel: 1, ...SIZE, by: "a" },
  { type: "refused", channel: 1, code: "gone", message: "no" },
  { type: "agent_status", status: "online" },
];

const VIEWER_MESSAGES: readonly object[] = [
  { type: "input", data: "ls\r" },
  { type: "resize", ...SIZE },
  { type: "exec", data: { command: "ls", id: "1", timeout_ms: 100 } },
  { type: "ping" },
  { type: "attach", channel: 1, session: "main", create: true, viewer: "a", ...SIZE },
  { type: "attach", channel: 2, session: "main", viewer: "a", instance: SESSION.instance, cursor: 3 },
  { type: "run", channel: 3, run: "22222222-2222-4222-8222-222222222222", command: "ls" },
  { type: "resize", channel: 1, ...SIZE },
  { type: "signal", channel: 3, signal: "INT" },
  { type: "detach", channel: 1 },
  { type: "hold", channel: 1, hold: false },
  { type: "kill", session: "main" },
  { type: "list" },
  { type: "v1_output", session: "main", wanted: false },
];

const BODIES: readonly object[] = [
  {
    name: "box",
    description: "a box",
    type: "agent",
    os: "linux",
    arch: "amd64",
    shell: "/bin/sh",
    tags: ["a"],
  },
  { name: "token", scopes: ["read"], expires_in: 1 },
  { name: "box", description: "x", tags: ["b"] },
  { tags: ["c"], uses: 2, expires_in_seconds: 60, name_pattern: "b*", ephemeral: false, approve: true },
  { add_tags: ["d"], remove_tags: ["a"] },
];
