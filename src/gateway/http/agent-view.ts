/** An agent as the API shows it: what is stored, and what is known of its connection right now. */
import { containerId } from "../../protocol/ids.ts";
import type { Presence } from "../sessions/agent-directory.ts";
import { type AgentRow, shownTags } from "../store/agents.ts";

/** One entry of `GET /api/agents`. */
export function agentView(agent: AgentRow, presence?: Presence) {
  const systemInfo = presence?.systemInfo ?? agent.system_info;
  return {
    id: agent.id,
    name: agent.name,
    description: agent.description,
    os: agent.os,
    arch: agent.arch,
    shell: agent.shell,
    distro: agent.distro || undefined,
    tags: shownTags(agent),
    /** Those of its tags that it gave itself, and that decide nothing. */
    own_tags: agent.own_tags.length > 0 ? agent.own_tags : undefined,
    user_id: agent.user_id,
    status: presence ? "online" : agent.connected_at ? "offline" : "registered",
    created_at: agent.created_at,
    connected_at: presence?.connectedAt ?? agent.connected_at,
    last_ping: presence?.lastPing ?? agent.last_ping,
    agent_version: systemInfo?.agent_version,
    system_info: systemInfo ?? undefined,
    stats: presence?.stats ?? undefined,
    ephemeral: agent.ephemeral || undefined,
    pending: agent.pending || undefined,
  };
}

/** `GET /api/agents/{id}/status` */
export function statusView(agent: AgentRow, presence?: Presence) {
  if (!presence) return { status: "offline" };
  return {
    status: "online",
    connected_at: presence.connectedAt,
    last_ping: presence.lastPing,
    sessions: presence.sessions,
    os: agent.os,
    arch: agent.arch,
    system_info: presence.systemInfo ?? agent.system_info ?? undefined,
    stats: presence.stats ?? undefined,
  };
}

/** One entry of `GET /api/containers`, the list of the stock CLI and dashboard. */
export function containerView(agent: AgentRow, presence?: Presence) {
  const info = presence?.systemInfo ?? agent.system_info;
  return {
    id: containerId(agent.id),
    name: agent.name,
    image: `${agent.os}/${agent.arch}`,
    status: presence ? "running" : "offline",
    session_type: "agent",
    created_at: agent.created_at,
    last_used_at: presence?.lastPing ?? agent.last_ping ?? agent.created_at,
    os: agent.os,
    arch: agent.arch,
    shell: agent.shell,
    distro: agent.distro,
    description: agent.description,
    stats: presence?.stats ?? undefined,
    resources: {
      memory_mb: Math.round((info?.memory?.total ?? 0) / MIB),
      cpu_shares: (info?.num_cpu ?? 0) * SHARES_PER_CPU,
      disk_mb: Math.round((info?.disk?.total ?? 0) / MIB),
    },
    hostname: info?.hostname,
    region: info?.region,
  };
}

// --- internal ---

const MIB = 1024 * 1024;
/** Docker's measure: 1024 shares are one CPU. */
const SHARES_PER_CPU = 1024;
