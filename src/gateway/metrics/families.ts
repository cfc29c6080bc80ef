/** The figures of a gateway's own parts. */
import { COMMIT, VERSION } from "../../lib/version.ts";
import type { ScreenPool } from "../../screen/pool.ts";
import type { AuditService } from "../audit/service.ts";
import type { RecordingService } from "../recordings/start.ts";
import type { Hub } from "../sessions/hub.ts";
import type { RingBudget } from "../sessions/ring-budget.ts";
import type { Store } from "../store/store.ts";
import type { LoopLag } from "./loop-lag.ts";
import type { Family } from "./metrics.ts";

/** What the figures are read from. */
export interface Measured {
  hub: Hub;
  store: Store;
  budget: RingBudget;
  screens: ScreenPool;
  auditing: Pick<AuditService, "log" | "dropped">;
  recordings: Pick<RecordingService, "making">;
  lag: LoopLag;
}

/** The families of hub, sockets, screens, store and event loop. */
export function gatewayFamilies(measured: Measured): readonly Family[] {
  const { hub, store, budget, screens, auditing, recordings, lag } = measured;
  const { connections } = hub;
  return [
    gauge(
      "rexec_build_info",
      "Always 1; the label is the version.",
      () => ({ [`${VERSION} ${COMMIT}`]: 1 }),
      "version",
    ),
    gauge("rexec_agents_connected", "Agents that are connected.", () => hub.census().agents),
    gauge("rexec_agents_registered", "Agents of all users, connected or not.", () => store.agents.count()),
    gauge("rexec_users", "Users.", () => store.users.count()),
    gauge("rexec_viewers_connected", "Viewers that are connected.", () => hub.census().viewers),
    gauge(
      "rexec_sessions",
      "Running shells that viewers of this gateway opened.",
      () => hub.census().sessions,
    ),
    gauge("rexec_sockets", "Sockets that are open or closing.", () => connections.figures("count"), "peer"),
    counter(
      "rexec_received_bytes_total",
      "Payload of sockets' messages from peers.",
      () => connections.figures("receivedBytes"),
      "peer",
    ),
    counter(
      "rexec_sent_bytes_total",
      "Payload of sockets' messages to peers.",
      () => connections.figures("sentBytes"),
      "peer",
    ),
    gauge(
      "rexec_send_queue_bytes",
      "Bytes that wait in sockets until peers take them.",
      () => connections.figures("buffered"),
      "peer",
    ),
    gauge(
      "rexec_send_queue_worst_bytes",
      "The most bytes that wait in one socket.",
      () => connections.worstBuffered,
    ),
    gauge("rexec_rings", "Copies of sessions' output.", () => budget.count),
    gauge(
      "rexec_ring_memory_bytes",
      "Memory of the copies of sessions' output.",
      () => hub.census().ringMemory,
    ),
    gauge("rexec_ring_budget_bytes", "Memory that they may have (--ring-budget).", () => budget.bytes),
    gauge("rexec_screen_threads", "Threads that draw screens.", () => screens.threads),
    gauge("rexec_screen_queue_tasks", "Tasks that wait for a thread of screens.", () => screens.waiting),
    gauge("rexec_screen_kept_bytes", "Memory of screens that are kept as text.", () => screens.keptBytes),
    counter(
      "rexec_sign_in_failures_total",
      "Credentials that were refused.",
      () => auditing.log.stats.refused,
      "kind",
    ),
    gauge(
      "rexec_recordings_active",
      "Sessions and commands that are being recorded.",
      () => recordings.making.count,
    ),
    counter(
      "rexec_audit_entries_total",
      "Entries of the audit log that were kept.",
      () => auditing.log.stats.written,
    ),
    gauge("rexec_audit_queue_entries", "Entries that wait in memory.", () => auditing.log.stats.queued),
    gauge(
      "rexec_audit_spilled_bytes",
      "Entries that wait in a file, as the database takes none.",
      () => auditing.log.stats.spilledBytes,
    ),
    counter("rexec_audit_lost_total", "Entries that could not be kept.", () => auditing.log.stats.lost),
    counter("rexec_audit_unsent_total", "Entries that a collector was not sent.", () => auditing.dropped),
    gauge(
      "rexec_recordings_stored",
      "Recordings that are kept.",
      async () => (await store.recordings.total()).count,
    ),
    gauge(
      "rexec_recordings_stored_bytes",
      "Bytes of them.",
      async () => (await store.recordings.total()).bytes,
    ),
    gauge("rexec_event_loop_lag_seconds", "How late the event loop is.", () => lag.seconds),
    gauge(
      "rexec_event_loop_lag_worst_seconds",
      "How late it was at most within a minute.",
      () => lag.worstSeconds,
    ),
  ];
}

// --- internal ---

function gauge(name: string, help: string, read: Family["read"], label?: string): Family {
  return { name, help, type: "gauge", read, ...(label === undefined ? {} : { label }) };
}

function counter(name: string, help: string, read: Family["read"], label?: string): Family {
  return { ...gauge(name, help, read, label), type: "counter" };
}
