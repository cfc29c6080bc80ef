/** A gateway with a real agent whose sessions may be recorded, and viewers of it. */
import type { GatewayOptions } from "../../src/gateway/gateway.ts";
import type { RecordingRow } from "../../src/gateway/store/recordings.ts";
import { type CastEvent, eventsIn, sizeIn } from "../../src/protocol/cast.ts";
import type { RecordingView } from "../../src/protocol/http-recordings.ts";
import { type RunningAgent, startAgent } from "./agent.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { ReferenceTerminal } from "./reference-terminal.ts";
import { V2Viewer, type V2ViewerOptions } from "./v2-viewer.ts";
import { until } from "./wait.ts";

export interface RecordingStage extends AsyncDisposable {
  gateway: TestGateway;
  agentId: string;
  agent: RunningAgent;
  viewer(options?: V2ViewerOptions, token?: string): V2Viewer;
  /** Sets the policy about all sessions. */
  policy(mode: "always" | "never" | "request", input?: boolean): Promise<void>;
  /** The newest first. */
  list(query?: string): Promise<RecordingView[]>;
  /** The one recording, once it is in this state. */
  recording(state: string): Promise<RecordingView>;
  /** The text of the cast. */
  cast(id: string): Promise<string>;
}

/** A row of a recording that has ended; it has no files. */
export function recordingRow(agentId: string, over: Partial<RecordingRow> = {}): RecordingRow {
  const started_at = over.started_at ?? new Date().toISOString();
  return {
    id: Bun.randomUUIDv7(),
    agent_id: agentId,
    agent_name: "box",
    user_id: crypto.randomUUID(),
    user_name: "ada",
    session: "main",
    instance: crypto.randomUUID(),
    part: 1,
    kind: "shell",
    command: "/bin/sh",
    reason: "always",
    state: "complete",
    note: "",
    started_at,
    ended_at: started_at,
    duration_ms: 60_000,
    bytes: 2_000_000,
    cut_bytes: 0,
    cut_reason: "",
    exit_code: 0,
    signal: null,
    cols: 80,
    rows: 24,
    place: "folder",
    ...over,
  };
}

export async function recordingStage(options: Partial<GatewayOptions> = {}): Promise<RecordingStage> {
  const gateway = await startGateway({ ...options, timings: { tickMs: 20, ...options.timings } });
  const { id, token } = await gateway.register("box");
  const agent = startAgent({ host: gateway.url, token, agentId: id });
  await until(() => gateway.gateway.hub.presence(id) !== null, 10_000, "the agent to connect");
  const stage: RecordingStage = {
    gateway,
    agentId: id,
    agent,
    viewer: (viewerOptions, as = gateway.token) =>
      new V2Viewer(() => `${gateway.url}/ws/agent/${id}/terminal`, as, viewerOptions),
    async policy(mode, input = false) {
      const body = { kind: "all", mode, input };
      const answer = await gateway.api("PUT", "/api/recording-policies", body);
      if (answer.status !== 200) throw new Error(answer.text);
    },
    async list(query = "") {
      const { json, text } = await gateway.api("GET", `/api/recordings${query}`);
      if (!json?.recordings) throw new Error(text);
      return json.recordings;
    },
    recording: (state) =>
      until(
        async () => (await stage.list()).find((one) => one.state === state) ?? null,
        10_000,
        `a recording that is ${state}`,
      ),
    cast: async (recording) => (await gateway.api("GET", `/api/recordings/${recording}/cast`)).text,
    async [Symbol.asyncDispose]() {
      await agent.stop();
      await gateway[Symbol.asyncDispose]();
    },
  };
  return stage;
}

/** All output of a cast. */
export function outputOf(cast: string, code = "o"): string {
  return eventsIn(cast)
    .filter(([, of]) => of === code)
    .map(([, , data]) => data)
    .join("");
}

/** What a terminal shows that was given these events, from this screen on. */
export async function shownBy(
  events: readonly CastEvent[],
  { cols, rows, init }: { cols: number; rows: number; init: string },
): Promise<string> {
  const reference = new ReferenceTerminal({ cols, rows }, 0);
  await reference.write(init);
  for (const [, code, data] of events) {
    const size = code === "r" ? sizeIn(data) : null;
    if (size) reference.terminal.resize(size.cols, size.rows);
    if (code === "o") await reference.write(data);
  }
  return reference.picture();
}
