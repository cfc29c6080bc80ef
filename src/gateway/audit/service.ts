/** Puts the audit log of a gateway together: the writer, retention, followers and collectors. */
import { join } from "node:path";
import type { Logger } from "../../lib/log.ts";
import type { AgentDirectory } from "../sessions/agent-directory.ts";
import type { Store } from "../store/store.ts";
import { Forwarder } from "./forward/forwarder.ts";
import { syslog } from "./forward/syslog.ts";
import type { Datagram } from "./forward/transport.ts";
import { webhook } from "./forward/webhook.ts";
import { AUDIT_DAYS, startRetention } from "./retention.ts";
import { AuditTail } from "./tail.ts";
import { AuditWriter } from "./writer.ts";

/** What `rexec serve` sets by its options. */
export interface AuditOptions {
  /** Rows that are older go; default `AUDIT_DAYS`. */
  days?: number | undefined;
  /** Address of a syslog server: see `transportOf`. */
  syslog?: string | undefined;
  /** Opens Unix datagram sockets, for a syslog server at `unix:` */
  datagram?: Datagram | undefined;
  webhook?: { url: string; secret: string } | undefined;
}

/** The audit log of a running gateway. Owned by the gateway. */
export interface AuditService {
  readonly log: AuditWriter;
  readonly tail: AuditTail;
  /** Rows that collectors were not sent, for metrics. */
  readonly dropped: number;
  /** Has followers end where their rights end. */
  follow(directory: Pick<AgentDirectory, "subscribe">): void;
  /** Writes what is left. Call it after the last entry, and before the store is closed. */
  close(): Promise<void>;
}

/** @throws RexecError `bad_syslog` */
export function startAudit(
  store: Pick<Store, "audits">,
  dataDir: string,
  logger: Logger,
  options: AuditOptions = {},
): AuditService {
  const { audits } = store;
  const collectors = [
    ...(options.syslog ? [syslog(options.syslog, options.datagram ?? null)] : []),
    ...(options.webhook ? [webhook(options.webhook.url, options.webhook.secret)] : []),
  ];
  const log = new AuditWriter({ audits, spillPath: join(dataDir, "audit-spill.jsonl"), logger });
  const { chain } = log;
  const tail = new AuditTail(audits, chain);
  const forwarders = collectors.map(
    (collector) => new Forwarder({ audits, audit: log, chain, collector, logger }),
  );
  log.subscribe(() => {
    tail.wake();
    for (const forwarder of forwarders) forwarder.wake();
  });
  const endRetention = startRetention({
    audits,
    audit: log,
    chain,
    days: options.days ?? AUDIT_DAYS,
    logger,
  });
  return {
    log,
    tail,
    get dropped() {
      return forwarders.reduce((sum, { dropped }) => sum + dropped, 0);
    },
    follow(directory) {
      directory.subscribe((event) => {
        if (event.type === "credential_revoked")
          tail.endWhere(({ credentialId }) => credentialId === event.id);
        if (event.type === "access_changed")
          tail.endWhere(({ userId }) => event.userId === null || event.userId === userId);
      });
    },
    async close() {
      tail.close();
      await endRetention();
      await log.close();
      await Promise.all(forwarders.map((forwarder) => forwarder.close()));
    },
  };
}
