import type { LoadedConfig } from "../../agent/config/config.ts";
import type { AgentStatus } from "../../agent/control/messages.ts";
import { type FoundAgent, findAgent } from "../../agent/daemon/find.ts";
import { type Unit, unitOf } from "../../agent/daemon/supervisor.ts";
import { knownPlaces } from "../../agent/ephemeral/place.ts";
import { currentAccount } from "../../agent/machine/child-env.ts";
import { chooseShell } from "../../agent/machine/shell.ts";
import { ExitCode } from "../../lib/errors.ts";
import { printable } from "../../lib/printable.ts";
import { COMMIT, VERSION } from "../../lib/version.ts";
import { defineCommand, withHelp, writeJson, writeOut } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";
import { ago } from "./_time.ts";

export const statusCommand = withHelp(
  defineCommand({
    meta: { name: "status", description: "Show the current status of the agent" },
    args: { ...agentArgs, json: { type: "boolean", description: "As JSON" } },
    async run({ args }) {
      const loaded = loadAgentConfig(args, agentLogger(args));
      const agent = await findAgent(knownPlaces(loaded.path, process.env, args.config));
      const facts: Facts = { loaded, agent, unit: agent?.process ? unitOf(agent.process.pid) : null };
      await (args.json ? writeJson(allOf(facts)) : writeOut(asBox(facts)));
      return agent ? ExitCode.ok : ExitCode.notSetUp;
    },
  }),
  {
    examples: [
      ["rexec-agent status", "For a person"],
      ["rexec-agent status --json", "For a program"],
    ],
    notes: ["Exit code 0 where it runs, connected or not; 3 where it does not."],
  },
);

// --- internal ---

interface Facts {
  loaded: LoadedConfig;
  agent: FoundAgent | null;
  unit: Unit | null;
}

function asBox(facts: Facts): string {
  const { id, name, host, shell, registered } = registration(facts);
  const rows: [string, string][] = registered
    ? [
        ["Registered", "✓"],
        ["ID", id ?? ""],
        ["Name", name ?? ""],
        ["Host", host],
        ["Shell", shell],
      ]
    : [["Registered", "✗ No: run rexec-agent register"]];
  const all: [string, string][] = [...rows, ...liveRows(facts)];
  const lines = all.map(([label, value]) => `  ${`${label}:`.padEnd(12)}${printable(value)}`);
  return ["Agent Status", "─".repeat(41), ...lines, ""].join("\n");
}

function liveRows({ agent, unit, loaded }: Facts): [string, string][] {
  if (!agent)
    return [
      ["Running", "✗ No"],
      ["Version", version(VERSION, COMMIT)],
    ];
  const { status, process: entry } = agent;
  const pid = entry ? `pid ${entry.pid}` : "pid unknown";
  if (!status) {
    return [
      ["Running", "✓ Yes"],
      ["Connected", `unknown: it does not answer (${pid})`],
    ];
  }
  const by = unit
    ? `systemd, ${unit.scope === "user" ? "user unit" : "unit"} ${unit.name}`
    : RUN_WORDS[status.run];
  const since = status.connected_since;
  return [
    ["Running", "✓ Yes"],
    ["Connected", since ? `✓ Yes, since ${ago(since)} (${status.protocol})` : notConnected(status)],
    ["Sessions", String(status.sessions)],
    [
      "Last error",
      status.last_error ? `${status.last_error.message} (${ago(status.last_error.at)})` : "none",
    ],
    ["Version", version(status.version, status.commit)],
    ["Run by", `${by} (${pid}, since ${ago(status.started_at)})`],
    ...(status.log ? [["Log", status.log] satisfies [string, string]] : []),
    ...(status.agent_id !== loaded.file?.settings.agent_id && status.run !== "ephemeral"
      ? [
          ["Note", `it runs as ${status.agent_id}: the configuration was changed since`] satisfies [
            string,
            string,
          ],
        ]
      : []),
  ];
}

function notConnected({ pending, connection }: AgentStatus): string {
  return pending ? "✗ Not yet: it waits to be accepted" : `✗ No (${connection})`;
}

const RUN_WORDS = {
  foreground: "a person, in the foreground",
  daemon: "rexec-agent start --daemon",
  ephemeral: "rexec-agent start --ephemeral",
  systemd: "systemd",
  openrc: "OpenRC",
  sysv: "its init script",
  launchd: "launchd",
} as const;

function allOf(facts: Facts): object {
  const { loaded, agent, unit } = facts;
  const { registered, id, name, host, shell } = registration(facts);
  const { status } = agent ?? { status: null };
  return {
    registered,
    id,
    name,
    host,
    shell,
    config: loaded.path,
    running: agent !== null,
    pid: agent?.process?.pid ?? status?.pid ?? null,
    answers: status !== null,
    connected: status?.connected_since !== null && status !== null,
    connected_since: status?.connected_since ?? null,
    pending: status?.pending ?? null,
    connection: status?.connection ?? null,
    protocol: status?.protocol ?? null,
    sessions: status?.sessions ?? null,
    restarts: status?.restart?.count ?? null,
    last_error: status?.last_error ?? null,
    version: status?.version ?? VERSION,
    commit: status?.commit ?? COMMIT,
    run_by: status?.run ?? null,
    unit: unit?.name ?? null,
    started_at: status?.started_at ?? null,
    token_origin: status?.token_origin ?? loaded.tokenOrigin,
    log: status?.log ?? null,
  };
}

function registration({ loaded, agent }: Facts) {
  // No file knows of it.
  if (agent?.status?.run === "ephemeral") {
    const { agent_id: id, name, host, shell } = agent.status;
    return { registered: true, id, name, host, shell };
  }
  const settings = loaded.file?.settings;
  return {
    registered: Boolean(settings?.agent_id),
    id: settings?.agent_id ?? null,
    name: settings?.name ?? null,
    host: loaded.host,
    shell: chooseShell(settings?.shell, process.env.SHELL, currentAccount()),
  };
}

function version(text: string, commit: string): string {
  return `${text} (${commit})`;
}
