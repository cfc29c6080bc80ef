/** The gateway's units, as text. They hold no secret. */
import { restartPauses } from "../../lib/service/restart-pauses.ts";
import { RUNTIME_VARIABLES } from "../../lib/service/runtime-variables.ts";
import { unitCommand, unitPath, unitText } from "../../lib/service/unit-text.ts";
import { SETTINGS } from "../config/settings.ts";
import {
  ACCOUNT,
  type GatewayServiceSpec,
  isState,
  SERVICE_UNIT,
  SOCKET_UNIT,
  STATE_FOLDER,
} from "./spec.ts";

/** Memory beside the output of sessions: the program itself, connections, screens, the database's cache. */
const OTHER_MEMORY = 1024;
const MIB = 1024 * 1024;

/** The unit of the process. */
export function serviceUnit(spec: GatewayServiceSpec): string {
  const isSystem = spec.scope === "system";
  return text([
    ...head(isSystem, SERVICE_UNIT),
    "[Unit]",
    "Description=Rexec gateway (agents dial in, people reach them through it)",
    ...(isSystem ? ["Wants=network-online.target", "After=network-online.target"] : []),
    "# It holds the listening socket, also while this restarts: connections wait, and none is refused.",
    `Requires=${SOCKET_UNIT}`,
    `After=${SOCKET_UNIT}`,
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
    `ExecStart=${unitCommand([spec.executable, "serve", "--config", spec.config])}`,
    "# Reads the certificate and its key again.",
    "ExecReload=/bin/kill -HUP $MAINPID",
    "Restart=always",
    ...restartPauses(isSystem, spec.systemdVersion),
    "# 2: the configuration is wrong. No restart mends that.",
    "RestartPreventExitStatus=2",
    "# Fed by the event loop: a gateway that hangs is started anew, and agents and viewers resume.",
    "WatchdogSec=120",
    "WatchdogSignal=SIGKILL",
    "TimeoutStopSec=15",
    ...(isSystem ? [] : ourVariables()),
    `EnvironmentFile=-${unitText(spec.envFile)}`,
    `UnsetEnvironment=${RUNTIME_VARIABLES.join(" ")}`,
    "LimitNOFILE=1048576",
    `# ${Math.round(spec.ringBudget / MIB)} MiB for output (ring_budget), ${OTHER_MEMORY} MiB for all else.`,
    `MemoryMax=${Math.round(spec.ringBudget / MIB) + OTHER_MEMORY}M`,
    "TasksMax=512",
    "",
    ...(isSystem ? systemPlace(spec) : ["WorkingDirectory=%h"]),
    ...(isSystem ? SYSTEM_HARDENING : []),
    ...HARDENING,
    "# Not here: MemoryDenyWriteExecute=. The runtime compiles JavaScript to machine code in memory (JIT).",
    "",
    "[Install]",
    `WantedBy=${isSystem ? "multi-user.target" : "default.target"}`,
    `Also=${SOCKET_UNIT}`,
  ]);
}

/** The unit of the listening socket. systemd opens it, so that a port below 1024 takes no capability of the gateway. */
export function socketUnit({ scope, listen }: GatewayServiceSpec): string {
  const address = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return text([
    ...head(scope === "system", SOCKET_UNIT),
    "[Unit]",
    "Description=Listening socket of the Rexec gateway",
    "",
    "[Socket]",
    `ListenStream=${address}:${listen.port}`,
    ...(scope === "system"
      ? ["# An address that this machine gets only later, by DHCP for example.", "FreeBind=yes"]
      : []),
    "Backlog=4096",
    "",
    "[Install]",
    "WantedBy=sockets.target",
  ]);
}

/** The account of the system service: sysusers.d(5). */
export function accountFile(): string {
  return text(["# Written by rexec serve install.", `u ${ACCOUNT} - "Rexec gateway" ${STATE_FOLDER}`]);
}

// --- internal ---

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

function head(isSystem: boolean, unit: string): string[] {
  const edit = `systemctl ${isSystem ? "" : "--user "}edit ${unit}`;
  return [
    "# Written by rexec serve install, which writes it anew when it is run again; changes of your own belong into a",
    `# drop-in: ${edit}`,
  ];
}

function systemPlace({ files }: GatewayServiceSpec): string[] {
  const outside = files.filter(({ path, access }) => access === "write" && !isState(path));
  return [
    `User=${ACCOUNT}`,
    `Group=${ACCOUNT}`,
    "StateDirectory=rexec",
    "StateDirectoryMode=0700",
    `WorkingDirectory=${STATE_FOLDER}`,
    `Environment=HOME=${STATE_FOLDER}`,
    ...outside.map(({ path }) => `ReadWritePaths=${unitPath(path)}`),
    "",
  ];
}

/**
 * An account's manager takes over variables of logins, which would overrule the file unseen. Empty is as if they were not
 * set; those of the file of variables or of a drop-in come later, and count.
 */
function ourVariables(): string[] {
  const names = Object.values(SETTINGS).flatMap(({ variable, isSecret }) => {
    return isSecret ? [variable, `${variable}_FILE`] : [variable];
  });
  return [`Environment=${["REXEC_LOG", ...names].map((name) => `${name}=`).join(" ")}`];
}

/** Of what an account's own service manager has no right to set up. */
const SYSTEM_HARDENING = [
  "# The gateway needs nothing of the machine: its folder, its socket, and the network.",
  "CapabilityBoundingSet=",
  "AmbientCapabilities=",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "ProtectProc=invisible",
  "ProcSubset=pid",
  "RemoveIPC=yes",
];

const HARDENING = [
  "NoNewPrivileges=yes",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged @resources",
  "SystemCallErrorNumber=EPERM",
  "KeyringMode=private",
  "UMask=0077",
];
