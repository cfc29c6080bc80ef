/** The systemd unit, as text. */
import { restartPauses } from "../../lib/service/restart-pauses.ts";
import { RUNTIME_VARIABLES } from "../../lib/service/runtime-variables.ts";
import { unitCommand, unitText } from "../../lib/service/unit-text.ts";
import { OUR_VARIABLES } from "./scrub.ts";
import { commandOf, type ServiceSpec } from "./spec.ts";

/**
 * The unit file. It holds no token and no other secret.
 * @param version of systemd, 252 for example
 */
export function systemdUnit(spec: ServiceSpec, version: number): string {
  const { scope } = spec;
  const isSystem = scope === "system";
  return `${[
    "# Written by rexec-agent install, which writes it anew when it is run again; changes of your own belong into a",
    `# drop-in: systemctl ${isSystem ? "" : "--user "}edit rexec-agent`,
    "[Unit]",
    `Description=Rexec agent (shells of this ${isSystem ? "machine" : "account"} through ${unitText(spec.host)})`,
    ...(isSystem ? ["Wants=network-online.target", "After=network-online.target"] : []),
    "# It tries again for ever; only the pauses grow.",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
    `ExecStart=${unitCommand(commandOf(spec, "start"))}`,
    ...(spec.user === null ? [] : [`User=${unitText(spec.user)}`]),
    "# In the same process: shells stay open.",
    "ExecReload=/bin/kill -USR2 $MAINPID",
    "Restart=always",
    ...restartPauses(isSystem, version),
    "# 2: the command line is wrong; 3: not registered; 4: the server rejects it. No restart mends these.",
    "RestartPreventExitStatus=2 3 4",
    "# Fed by the agent's event loop. A core of a hung agent would be larger than it is useful.",
    "WatchdogSec=120",
    "WatchdogSignal=SIGKILL",
    "TimeoutStopSec=30",
    "",
    "# Only the agent itself is signalled. It hangs up its terminals, as a lost line would: shells and what runs in them",
    "# in the foreground end, what people put into the background for good (nohup, setsid, tmux) goes on, as with sshd.",
    "KillMode=process",
    "# A build that takes too much memory is killed, not the agent and everybody's shells with it.",
    "OOMPolicy=continue",
    "# Shells and all that they start count here too, so these leave room for the rest of the machine and no more: they",
    "# are against a runaway program. The agent bounds its own memory (memory_budget, ring_budget in its configuration).",
    "MemoryMax=90%",
    "TasksMax=75%",
    "# Shells inherit it, and a pipe's writer must end with its reader.",
    "IgnoreSIGPIPE=no",
    "# What would make shells other than this machine is left out: no private /tmp, no read-only system, no fewer",
    "# capabilities. People could not administer it.",
    "",
    "# The runtime unpacks a library at start, and /tmp may be noexec, full, or somebody else's.",
    "CacheDirectory=rexec",
    "CacheDirectoryMode=0700",
    "Environment=BUN_TMPDIR=%C/rexec",
    "# Where install found a proxy; readable by its owner alone.",
    `EnvironmentFile=-${unitText(spec.envFile)}`,
    "# Switches of the runtime, which would act on the finished program.",
    `UnsetEnvironment=${RUNTIME_VARIABLES.join(" ")}`,
    ...(isSystem ? [] : ourVariables()),
    "",
    "[Install]",
    `WantedBy=${isSystem ? "multi-user.target" : "default.target"}`,
  ].join("\n")}\n`;
}

// --- internal ---

/**
 * An account's manager takes over variables of logins, which would overrule the configuration unseen. Set here they are
 * empty, which is as if they were not set; those of a drop-in come later, and count.
 */
function ourVariables(): string[] {
  return [
    "# Not from a login's environment; set in a drop-in they overrule the configuration.",
    `Environment=${OUR_VARIABLES.map((name) => `${name}=`).join(" ")}`,
  ];
}
