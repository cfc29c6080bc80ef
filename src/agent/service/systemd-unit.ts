/** The systemd unit, as text. */
import { OUR_VARIABLES, RUNTIME_VARIABLES } from "./scrub.ts";
import { commandOf, type ServiceSpec } from "./spec.ts";

/** Since this version systemd lets the pause between restarts grow by itself. */
const GROWING_RESTARTS = 254;
/** The longest of these pauses, s. */
const LONGEST_PAUSE_S = 60;

/**
 * The unit file. It holds no token and no other secret.
 * @param version of systemd, 252 for example
 */
export function systemdUnit(spec: ServiceSpec, version: number): string {
  const { scope } = spec;
  const isSystem = scope === "system";
  const words = ([program = "", ...args]: readonly string[]) =>
    [programWord(program), ...args.map(unitWord)].join(" ");
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
    `ExecStart=${words(commandOf(spec, "start"))}`,
    ...(spec.user === null ? [] : [`User=${unitText(spec.user)}`]),
    "# In the same process: shells stay open.",
    "ExecReload=/bin/kill -USR2 $MAINPID",
    "Restart=always",
    ...pauses(isSystem, version),
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

/** From one second to a minute. An older systemd only knows one pause: there a command in front adds the rest. */
function pauses(isSystem: boolean, version: number): string[] {
  if (version >= GROWING_RESTARTS) {
    return ["RestartSec=1", "RestartSteps=6", `RestartMaxDelaySec=${LONGEST_PAUSE_S}`];
  }
  const show = `systemctl ${isSystem ? "" : "--user "}show --property=NRestarts --value %n`;
  const script = [
    `n=$$(${show}) d=1`,
    `while [ "$\${n:-0}" -gt 3 ] && [ "$$d" -lt ${LONGEST_PAUSE_S} ]; do n=$$((n-1)) d=$$((d*2)); done`,
    `[ "$$d" = 1 ] || exec sleep "$$d"`,
  ].join("; ");
  return [
    "RestartSec=1",
    `# The pause grows: this systemd (${version}) has no RestartSteps=, which came with ${GROWING_RESTARTS}.`,
    `ExecStartPre=-/bin/sh -c '${script}'`,
    `TimeoutStartSec=${LONGEST_PAUSE_S * 3}`,
  ];
}

/** The first word is the one in which `$` stands for itself. */
function programWord(path: string): string {
  return quoted(unitText(path));
}

/** One word of a command line in a unit: nothing in it is expanded. */
function unitWord(word: string): string {
  return quoted(unitText(word).replaceAll("$", "$$$$"));
}

function quoted(text: string): string {
  return /^[\w@+:,./%=$-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** Text in which systemd's specifiers stand for themselves. A line has no end in it (the caller checks paths). */
function unitText(text: string): string {
  return text.replaceAll("%", "%%").replaceAll(/[\r\n]/g, " ");
}
