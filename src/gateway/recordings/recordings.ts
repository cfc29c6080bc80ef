/** All recordings that are being made: begun by policy or on request, kept in the store, ended with their sessions. */
import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { Mirror } from "../sessions/mirror.ts";
import type {
  Recorded,
  RecordedThing,
  RecordingSink,
  SessionRecordings,
} from "../sessions/session-recordings.ts";
import type { AgentRow } from "../store/agents.ts";
import type { RecordingRow } from "../store/recordings.ts";
import type { Store } from "../store/store.ts";
import { DiskGate } from "./append-file.ts";
import { BlockPool } from "./blocks.ts";
import { Escaper } from "./escaper.ts";
import { type Decision, Policies } from "./policies.ts";
import { type Recorders, Recording } from "./recording.ts";
import { type RecordedEnd, SessionRecorder } from "./session-recorder.ts";

/** What recordings are made with. */
export interface RecordingsOptions {
  store: Pick<Store, "recordings" | "recordingPolicies" | "agents">;
  /** Of the files while they grow. It is there. */
  folder: string;
  audit: AuditLog;
  logger: Logger;
  /** Why nothing may be recorded now; null where it may. */
  blocked?: (() => string | null) | undefined;
  /** A recording has ended, and its files are closed. */
  onFinished?: ((row: RecordingRow) => void) | undefined;
}

/** Recordings at the same time: each has two open files. More sessions are not recorded, and the log says so. */
const MOST_ACTIVE = 2_000;
/** Agents whose tags are known. */
const MOST_AGENTS = 20_000;

/** One that is being made. */
interface Active {
  row: RecordingRow;
  readonly recording: Recording;
  readonly decision: Decision;
  /** Ends it before its session. */
  stop(interrupted: string | null): void;
  /** Viewers are told of its beginning and its end. */
  tell(on: boolean): void;
}

type AgentFacts = Pick<AgentRow, "id" | "name" | "tags" | "own_tags">;

/** Owned by the gateway, which stops it after the sockets. See `SessionRecordings`. */
export class Recordings implements SessionRecordings {
  readonly policies = new Policies();
  readonly #options: RecordingsOptions;
  readonly #shared: Recorders;
  readonly #agents = new Map<string, AgentFacts>();
  /** By `keyOf`. */
  readonly #active = new Map<string, Active>();
  readonly #finishing = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: RecordingsOptions) {
    this.#options = options;
    const blocked = options.blocked ?? (() => null);
    this.#shared = { pool: new BlockPool(), gate: new DiskGate(), escaper: new Escaper(), blocked };
  }

  /** The number of recordings that are being made. */
  get count(): number {
    return this.#active.size;
  }

  /** Reads the policies again. Rejects with the store's error. */
  async reload(): Promise<void> {
    this.policies.load(await this.#options.store.recordingPolicies.list());
  }

  /** The row of a recording that is being made, as it is now. */
  current(id: string): RecordingRow | null {
    for (const active of this.#active.values()) if (active.row.id === id) return rowNow(active);
    return null;
  }

  // --- what rooms tell ---

  agentConnected({ id, name, tags, own_tags }: AgentRow): void {
    this.#agents.delete(id);
    this.#agents.set(id, { id, name, tags, own_tags });
    const [oldest] = this.#agents.keys();
    if (this.#agents.size > MOST_AGENTS && oldest !== undefined) this.#agents.delete(oldest);
  }

  isRecorded(instance: string, viewer: Recorded): boolean {
    return (
      this.#active.has(keyOf(viewer.agentId, "shell", instance)) ||
      (!this.#stopped && isWanted(this.#decide(viewer), viewer))
    );
  }

  joined(mirror: Mirror, viewer: Recorded, created: boolean): void {
    if (this.isRecorded(mirror.info.instance, viewer)) this.#record(mirror, viewer, created);
  }

  typed(agentId: string, instance: string, bytes: Uint8Array): void {
    const active = this.#active.get(keyOf(agentId, "shell", instance));
    if (active?.decision.input) active.recording.output("i", bytes);
  }

  begins(thing: RecordedThing, viewer: Recorded): RecordingSink | null {
    const decision = this.#decide(viewer);
    if (!isWanted(decision, viewer)) return null;
    const active = this.#begin(thing, viewer, decision);
    if (!active) return null;
    const { recording } = active;
    active.stop = (interrupted) => this.#finish(active, { exit_code: null, signal: null, interrupted });
    return {
      id: recording.id,
      output: (stream, bytes) => {
        if (stream !== "i" || decision.input) recording.output(stream, bytes);
      },
      resized: (cols, rows) => recording.resized({ cols, rows }),
      gap: (bytes) => recording.gap(bytes, "the gateway was not sent them"),
      end: (end) => {
        if (end.exit_code !== null || end.signal !== null)
          recording.event("x", end.signal ?? String(end.exit_code));
        this.#finish(active, end);
      },
    };
  }

  start(mirror: Mirror, viewer: Recorded): boolean {
    const isActive = this.#active.has(keyOf(viewer.agentId, "shell", mirror.info.instance));
    if (isActive || this.#decide(viewer).mode === "never") return false;
    return this.#record(mirror, { ...viewer, asks: true }, false);
  }

  stop(agentId: string, instance: string): boolean {
    const active = this.#active.get(keyOf(agentId, "shell", instance));
    if (!active || active.decision.mode === "always") return false;
    active.stop(null);
    return true;
  }

  // --- life ---

  /** Ends all of them. Resolves when their files and rows are written. */
  async close(): Promise<void> {
    this.#stopped = true;
    for (const active of [...this.#active.values()]) active.stop("the gateway stopped");
    await Promise.all(this.#finishing);
  }

  // --- internal ---

  #decide({ agentId, principal }: Recorded): Decision {
    const { tags = [], own_tags: ownTags = [] } = this.#agents.get(agentId) ?? {};
    return this.policies.decide({ agentId, tags, ownTags, userId: principal.user.id });
  }

  #record(mirror: Mirror, viewer: Recorded, created: boolean): boolean {
    if (this.#active.has(keyOf(viewer.agentId, "shell", mirror.info.instance))) return true;
    const active = this.#begin(mirror.info, viewer, this.#decide(viewer));
    if (!active) return false;
    const recorder = new SessionRecorder(mirror, active.recording, (end) => this.#finish(active, end));
    active.stop = (interrupted) => recorder.stop(interrupted);
    active.tell = (on) => {
      for (const reader of mirror.readers) reader.recorded?.(on);
    };
    recorder.start(created);
    active.tell(true);
    return true;
  }

  #begin(thing: RecordedThing, viewer: Recorded, decision: Decision): Active | null {
    const { logger } = this.#options;
    if (this.#active.size >= MOST_ACTIVE) {
      const cause = { level: "warn", kind: "recordings", who: "most" } as const;
      gather(logger, cause, `a session is not recorded: ${MOST_ACTIVE} others are`);
      return null;
    }
    const row = this.#rowOf(thing, viewer, decision);
    const key = keyOf(row.agent_id, row.kind, row.instance);
    const path = join(this.#options.folder, row.id);
    const recording = new Recording(row.id, path, headerOf(row), this.#shared);
    const active: Active = { row, recording, decision, stop: () => {}, tell: () => {} };
    this.#active.get(key)?.stop("another one began under its id");
    this.#active.set(key, active);
    this.#options.store.recordings.create(row).then(
      ({ part }) => {
        active.row = { ...active.row, part };
      },
      (error: unknown) => this.#complain("begin", error),
    );
    this.#options.audit.record({
      action: "recording.started",
      principal: viewer.principal,
      address: viewer.address,
      agent: { id: row.agent_id, name: row.agent_name },
      session: row.session,
      target: row.id,
      details: { reason: row.reason, kind: row.kind },
    });
    return active;
  }

  #rowOf(thing: RecordedThing, { agentId, principal }: Recorded, { mode }: Decision): RecordingRow {
    const { user } = principal;
    return {
      id: Bun.randomUUIDv7(),
      agent_id: agentId,
      agent_name: this.#agents.get(agentId)?.name ?? "",
      user_id: user.id,
      user_name: user.username,
      session: thing.session,
      instance: thing.instance,
      part: 1,
      kind: thing.kind,
      command: thing.command,
      reason: mode === "always" ? "always" : "request",
      state: "recording",
      note: "",
      started_at: new Date().toISOString(),
      ended_at: null,
      duration_ms: 0,
      bytes: 0,
      cut_bytes: 0,
      cut_reason: "",
      exit_code: null,
      signal: null,
      cols: thing.cols,
      rows: thing.rows,
      place: "folder",
    };
  }

  #finish(active: Active, end: RecordedEnd): void {
    const { agent_id, kind, instance } = active.row;
    const key = keyOf(agent_id, kind, instance);
    if (this.#active.get(key) !== active) return;
    this.#active.delete(key);
    active.tell(false);
    const work = this.#close(active, end).catch((error: unknown) => this.#complain("finish", error));
    this.#finishing.add(work);
    void work.finally(() => this.#finishing.delete(work));
  }

  async #close(active: Active, { exit_code, signal, interrupted }: RecordedEnd): Promise<void> {
    await active.recording.close();
    const ended = exit_code !== null || signal !== null;
    const state = interrupted !== null ? "interrupted" : ended ? "complete" : "stopped";
    const row: RecordingRow = {
      ...rowNow(active),
      ended_at: new Date().toISOString(),
      exit_code,
      signal,
      state,
      note: interrupted ?? "",
    };
    await this.#options.store.recordings.save(row);
    this.#options.onFinished?.(row);
  }

  #complain(what: string, error: unknown): void {
    const why = messageOf(error);
    const cause = { level: "error", kind: "recordings", who: why } as const;
    gather(this.#options.logger, cause, `cannot ${what} the record of a recording: ${why}`);
  }
}

// --- internal ---

/** Agents choose the instances of their sessions, and viewers the ids of their commands: each could choose another's. */
function keyOf(agentId: string, kind: RecordedThing["kind"], instance: string): string {
  return `${agentId} ${kind} ${instance}`;
}

function isWanted({ mode }: Decision, { asks }: Recorded): boolean {
  return mode === "always" || (mode === "request" && asks);
}

function rowNow({ row, recording }: Active): RecordingRow {
  const { cut, bytes, elapsed } = recording;
  return {
    ...row,
    bytes,
    duration_ms: Math.round(elapsed),
    cut_bytes: cut?.bytes ?? 0,
    cut_reason: cut?.reason ?? "",
  };
}

/** The first line of the cast. */
function headerOf(row: RecordingRow): object {
  return {
    version: 2,
    // A command has no terminal.
    width: row.cols || 80,
    height: row.rows || 24,
    timestamp: Math.floor(Date.parse(row.started_at) / 1000),
    title: `${row.session} on ${row.agent_name}`,
    ...(row.command ? { command: row.command } : {}),
    rexec: {
      recording: row.id,
      agent: row.agent_id,
      session: row.session,
      instance: row.instance,
      user: row.user_name,
    },
  };
}
