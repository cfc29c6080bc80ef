/** The settings as options of `createGateway`. */
import { UsageError } from "../../lib/errors.ts";
import type { AuditOptions } from "../audit/service.ts";
import type { GatewayOptions } from "../gateway.ts";
import type { OidcProvider } from "../sign-in/oidc-provider.ts";
import { configError } from "./config-error.ts";
import type { ServeConfig } from "./load.ts";
import { optionOf, type Setting } from "./setting.ts";
import { SETTINGS as S } from "./settings.ts";

const MIB = 1024 * 1024;

/**
 * The options of a gateway with this configuration, without its logger and its folders of downloads.
 * @throws UsageError or RexecError `bad_config` where settings do not go together
 */
export function gatewayOptions(config: ServeConfig): Omit<GatewayOptions, "logger" | "downloads"> {
  const tls = tlsFiles(config);
  const [v2PingMs, v2DeadMs] = [config.get(S.pingInterval), config.get(S.deadAfter)];
  if (v2DeadMs <= v2PingMs) {
    const what = `${nameOf(config, S.deadAfter)} must be longer than ${nameOf(config, S.pingInterval)}`;
    throw mismatch(config, [S.deadAfter, S.pingInterval], what, "twice as long, or more");
  }
  return {
    host: config.get(S.host),
    port: config.get(S.port),
    dataDir: config.get(S.data),
    publicUrl: config.get(S.publicUrl),
    tls,
    allowOrigins: config.get(S.allowOrigin),
    trustProxy: config.get(S.trustProxy),
    ringBudget: config.get(S.ringBudget) * MIB,
    scrollback: config.get(S.scrollback),
    recordings: config.get(S.recordings),
    recordingsDays: config.get(S.recordingsDays),
    recordingsBytes: config.get(S.recordingsBytes),
    quotas: {
      agents: config.get(S.maxAgents),
      tokens: config.get(S.maxTokens),
      viewers: config.get(S.maxViewers),
      sessions: config.get(S.maxSessions),
    },
    sessionTimes: { idleMs: config.get(S.sessionIdle), absoluteMs: config.get(S.sessionLimit) },
    audit: {
      days: config.get(S.auditDays),
      syslog: config.get(S.auditSyslog),
      webhook: webhookOf(config),
    },
    v1Only: config.get(S.v1Only),
    metricsToken: config.get(S.metricsToken),
    timings: { v2PingMs, v2DeadMs, ephemeralMs: config.get(S.forgetEphemeral) },
    oidc: identityProvider(config),
  };
}

// --- internal ---

function tlsFiles(config: ServeConfig): GatewayOptions["tls"] {
  const [cert, key] = [config.get(S.tlsCert), config.get(S.tlsKey)];
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  const what = `${nameOf(config, S.tlsCert)} and ${nameOf(config, S.tlsKey)} belong together`;
  throw mismatch(config, [S.tlsCert, S.tlsKey], what, "give both files, or neither");
}

function webhookOf(config: ServeConfig): AuditOptions["webhook"] {
  const [url, secret] = [config.get(S.auditWebhook), config.get(S.auditWebhookSecret)];
  if (url !== undefined && secret !== undefined) return { url, secret };
  if (url === undefined && secret === undefined) return undefined;
  const what = `${nameOf(config, S.auditWebhook)} and ${nameOf(config, S.auditWebhookSecret)} belong together`;
  throw mismatch(config, [S.auditWebhook, S.auditWebhookSecret], what, "give both, or neither");
}

function identityProvider(config: ServeConfig): OidcProvider | undefined {
  const [issuer, clientId] = [config.get(S.oidcIssuer), config.get(S.oidcClientId)];
  if (issuer === undefined && clientId === undefined) return undefined;
  if (issuer === undefined || clientId === undefined) {
    const what = `${nameOf(config, S.oidcIssuer)} and ${nameOf(config, S.oidcClientId)} belong together`;
    throw mismatch(config, [S.oidcIssuer, S.oidcClientId], what, "give both, or neither");
  }
  return {
    issuer,
    clientId,
    name: config.get(S.oidcName),
    clientSecret: config.get(S.oidcSecret) ?? null,
    scopes: config.get(S.oidcScopes),
    groupsClaim: config.get(S.oidcGroupsClaim),
    allowedDomains: config.get(S.oidcDomains),
    allowedGroups: config.get(S.oidcAllowedGroups),
    adminGroups: config.get(S.oidcAdminGroups),
    groups: config.get(S.oidcGroups),
    createUsers: config.get(S.oidcCreateUsers),
  };
}

/** The setting as it was given, so that it is found again. */
function nameOf(config: ServeConfig, setting: Setting<unknown>): string {
  const from = config.from(setting) ?? `--${optionOf(setting)}`;
  return /:\d+$/.test(from) ? `${setting.key} (${from})` : from;
}

/** A mistake of the command line, where an option takes part in it. */
function mismatch(config: ServeConfig, settings: readonly Setting<unknown>[], what: string, hint: string) {
  const isTyped = settings.some((setting) => config.from(setting)?.startsWith("--"));
  return isTyped ? new UsageError(what, hint) : configError(what, hint);
}
