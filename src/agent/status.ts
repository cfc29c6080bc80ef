/** What a running agent says of itself. */
import { redact } from "../lib/redact.ts";
import { COMMIT, VERSION } from "../lib/version.ts";
import type { AgentConfig } from "./config/config.ts";
import { configDigest } from "./config/digest.ts";
import type { AgentStatus, RunKind } from "./control/messages.ts";
import type { UplinkState } from "./uplink/state.ts";

/** How an agent was started. */
export interface RunInfo {
  kind: RunKind;
  /** The log file that it writes itself. */
  log?: string | undefined;
}

interface Subject {
  config: AgentConfig;
  shell: string;
  run: RunInfo;
  sessions: () => number;
  restart: () => NonNullable<AgentStatus["restart"]>;
  /** The one in use. */
  token: () => string;
}

/** Follows the uplink; `read` is the answer to `status`. */
export class StatusBoard {
  readonly #subject: Subject;
  readonly #startedAt = new Date();
  #state: UplinkState | null = null;
  #connectedAt: Date | null = null;
  #isV2 = false;
  #isPending = false;
  #lastError: AgentStatus["last_error"] = null;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  state(state: UplinkState): void {
    this.#state = state;
    this.#connectedAt = state.phase === "connected" ? new Date() : null;
    // While it dials again, it still is.
    if (state.phase !== "dialling") this.#isPending = state.phase === "waiting" && state.isPending === true;
    const failure = reasonOf(state);
    if (failure) this.#lastError = { message: redact(failure), at: new Date().toISOString() };
  }

  /** Which protocol the connection speaks that has just been opened. */
  speaks(isV2: boolean): void {
    this.#isV2 = isV2;
  }

  read(): AgentStatus {
    const { config, shell, run, sessions, restart, token } = this.#subject;
    const connected = this.#connectedAt;
    return {
      pid: process.pid,
      version: VERSION,
      commit: COMMIT,
      run: run.kind,
      started_at: this.#startedAt.toISOString(),
      config: config.path,
      config_digest: configDigest(config, token()),
      host: config.host,
      agent_id: config.agentId,
      name: config.name,
      shell,
      connection: CONNECTION[this.#state?.phase ?? "dialling"],
      connected_since: connected?.toISOString() ?? null,
      pending: this.#isPending,
      protocol: connected ? (this.#isV2 ? "rexec.v2" : "rexec.v1") : null,
      sessions: sessions(),
      restart: restart(),
      last_error: this.#lastError,
      token_origin: config.tokenOrigin ?? "file",
      log: run.log ?? null,
    };
  }
}

// --- internal ---

const CONNECTION = {
  dialling: "connecting",
  connected: "connected",
  waiting: "waiting",
  stopped: "stopped",
} as const;

function reasonOf(state: UplinkState): string | null {
  if (state.phase === "waiting") return state.reason;
  return state.phase === "stopped" ? (state.error?.message ?? null) : null;
}
