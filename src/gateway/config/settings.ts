/**
 * All settings of `rexec serve`, each declared once. Options, variables, keys of the YAML file, `--print-config`, help and
 * docs/gateway-config.md follow from this table. Where a value goes is in `gateway-options.ts`.
 */
import { AUDIT_DAYS } from "../audit/retention.ts";
import { QUOTAS } from "../quotas.ts";
import { syslogAddress, webhookUrl } from "./collector-kinds.ts";
import {
  bearer,
  bytes,
  choice,
  count,
  folderOrBucket,
  list,
  origin,
  path,
  proxyAddress,
  publicUrl,
  text,
  time,
  toggle,
} from "./kinds.ts";
import { OIDC_SETTINGS } from "./oidc-settings.ts";
import { optional, type Setting, secret, setting } from "./setting.ts";

const MAX_QUOTA = 1_000_000;
const quota = count("N", 1, MAX_QUOTA);

export const SETTINGS = {
  host: setting({
    flag: "host",
    key: "host",
    kind: text("ADDRESS"),
    default: "127.0.0.1",
    description: "Address to listen on; 0.0.0.0 for all of this machine's",
  }),
  port: setting({
    flag: "port",
    key: "port",
    kind: count("PORT", 0, 65_535),
    default: "8080",
    description: "Port to listen on; 0 for any free one",
  }),
  data: setting({
    flag: "data",
    key: "data",
    kind: path("DIR", "write"),
    default: "~/.rexec/gateway",
    description: "Folder of the database",
  }),
  publicUrl: optional({
    flag: "public-url",
    key: "public_url",
    kind: publicUrl,
    description: "How agents and people reach this gateway, if not as they already did (behind a proxy)",
  }),
  tlsCert: optional({
    flag: "tls-cert",
    key: "tls.cert",
    kind: path("FILE"),
    description: "Certificate chain (PEM): serve https",
  }),
  tlsKey: optional({
    flag: "tls-key",
    key: "tls.key",
    kind: path("FILE"),
    description: "Its private key (PEM)",
  }),
  downloads: optional({
    flag: "downloads",
    key: "downloads",
    kind: path("DIR"),
    description: "Folder of the agent's executables (default: beside this program, or ./dist)",
  }),
  allowOrigin: setting({
    flag: "allow-origin",
    key: "allow_origin",
    kind: list(origin),
    default: "",
    description: "Web pages of that origin may open terminals too; may be repeated",
  }),
  trustProxy: setting({
    flag: "trust-proxy",
    key: "trust_proxy",
    kind: list(proxyAddress),
    default: "",
    description:
      "Use X-Forwarded-For, -Proto and -Host of a proxy at that address or network; loopback, private; may be repeated",
  }),
  ringBudget: setting({
    flag: "ring-budget",
    key: "ring_budget",
    kind: count("MIB", 4, 1024 * 1024),
    default: "256",
    description: "Memory for the output of all sessions that are looked at, MiB",
  }),
  scrollback: setting({
    flag: "scrollback",
    key: "scrollback",
    kind: count("LINES", 0, 100_000),
    default: "1000",
    description: "Lines above the screen that a new viewer gets",
  }),
  recordings: optional({
    flag: "recordings",
    key: "recordings.place",
    kind: folderOrBucket,
    description: "Folder of recordings, or s3://BUCKET/PREFIX (default: recordings in the data folder)",
  }),
  recordingsDays: setting({
    flag: "recordings-days",
    key: "recordings.days",
    kind: count("N", 0, 36_500),
    default: "0",
    description: "Remove recordings after so many days; 0 for never",
  }),
  recordingsBytes: setting({
    flag: "recordings-bytes",
    key: "recordings.bytes",
    kind: bytes,
    default: "0",
    description: "Remove the oldest recordings beyond so much, such as 10G; 0 for never",
  }),
  maxAgents: setting({
    flag: "max-agents",
    key: "quotas.agents",
    kind: quota,
    default: String(QUOTAS.agents),
    description: "Agents that one user may register",
  }),
  maxTokens: setting({
    flag: "max-tokens",
    key: "quotas.tokens",
    kind: quota,
    default: String(QUOTAS.tokens),
    description: "Valid API tokens that one user may have, beside those of agents",
  }),
  maxViewers: setting({
    flag: "max-viewers",
    key: "quotas.viewers",
    kind: quota,
    default: String(QUOTAS.viewers),
    description: "Viewers that one user may have connected, of all agents together",
  }),
  maxSessions: setting({
    flag: "max-sessions",
    key: "quotas.sessions",
    kind: quota,
    default: String(QUOTAS.sessions),
    description: "Sessions that one user may have running, on all connected agents together",
  }),
  pingInterval: setting({
    flag: "ping-interval",
    key: "liveness.ping_interval",
    // Sockets are looked after once a second.
    kind: time("1s", "1h"),
    default: "3s",
    description: "Agents and viewers that are silent for this long are asked for a sign of life",
  }),
  deadAfter: setting({
    flag: "dead-after",
    key: "liveness.dead_after",
    kind: time("1s", "1h"),
    default: "8s",
    description: "They are given up after this long without one",
  }),
  forgetEphemeral: setting({
    flag: "forget-ephemeral",
    key: "forget_ephemeral",
    kind: time("1s"),
    default: "10m",
    description: "Forget agents of CI jobs (start --ephemeral) that left without a word after so long",
  }),
  sessionIdle: setting({
    flag: "session-idle",
    key: "sign_in.session_idle",
    kind: time("1m", "365d"),
    default: "7d",
    description: "A browser's session ends after this long without a request",
  }),
  sessionLimit: setting({
    flag: "session-limit",
    key: "sign_in.session_limit",
    kind: time("1m", "365d"),
    default: "30d",
    description: "A browser's session ends after this long, whatever its user does",
  }),
  auditDays: setting({
    flag: "audit-days",
    key: "audit.days",
    kind: count("DAYS", 1, 36_500),
    default: String(AUDIT_DAYS),
    description: "Entries of the audit log are kept for so many days",
  }),
  auditSyslog: optional({
    flag: "audit-syslog",
    key: "audit.syslog",
    kind: syslogAddress,
    description:
      "Send the audit log to a syslog server: udp://HOST:514, tcp://HOST:601, tls://HOST:6514, unix:///dev/log",
  }),
  auditWebhook: optional({
    flag: "audit-webhook",
    key: "audit.webhook",
    kind: webhookUrl,
    description: "Post the audit log to this URL as JSON, signed with --audit-webhook-secret-file",
  }),
  auditWebhookSecret: secret({
    flag: "audit-webhook-secret",
    key: "audit.webhook_secret",
    kind: text("SECRET"),
    description: "Key of the signature (HMAC-SHA256) of what is posted to --audit-webhook",
  }),
  v1Only: setting({
    flag: "v1-only",
    key: "v1_only",
    kind: toggle,
    default: "false",
    description: "Speak rexec.v1 with every peer: to compare, or to rule rexec.v2 out",
  }),
  metricsToken: secret({
    flag: "metrics-token",
    key: "metrics.token",
    kind: bearer,
    description: "A token that reads /metrics and nothing else, of 16 characters or more",
  }),
  logLevel: setting({
    flag: "log-level",
    key: "log.level",
    kind: choice("debug", "info", "warn", "error", "silent"),
    default: "info",
    lastVariable: "REXEC_LOG",
    description: "The least important lines that are logged; debug has one for each request",
  }),
  logFormat: setting({
    flag: "log-format",
    key: "log.format",
    kind: choice("text", "json"),
    default: "text",
    description: "Lines for people and journals, or one JSON object a line",
  }),
  ...OIDC_SETTINGS,
};

/** Settings by any names: the table, or that of a test. */
export type SettingTable = Readonly<Record<string, Setting<unknown>>>;
