/** The scripts of OpenRC and SysV init, as text. */
import { quoteWord } from "../../lib/quote.ts";
import { RUNTIME_VARIABLES } from "../../lib/service/runtime-variables.ts";
import { FOREIGN_VARIABLES } from "./scrub.ts";
import { commandOf, SERVICE, type ServiceSpec } from "./spec.ts";

/** Where the runtime unpacks its library; /tmp may be noexec, full, or another account's. */
export const CACHE = "/var/cache/rexec";

/**
 * A service of OpenRC, kept alive by supervise-daemon.
 * @param spec paths without spaces and quotes: OpenRC evaluates them twice
 */
export function openrcScript(spec: ServiceSpec): string {
  const [command = "", ...args] = commandOf(spec, "start");
  const owner = spec.user ?? "root";
  return `${[
    "#!/sbin/openrc-run",
    "# Written by rexec-agent install, which writes it anew when it is run again; settings of your own belong into",
    `# /etc/conf.d/${SERVICE}; what it says of REXEC_TOKEN and the like overrules the configuration.`,
    "# shellcheck shell=sh disable=SC2034",
    'name="Rexec agent"',
    'description="Shells of this machine through a Rexec server"',
    "supervisor=supervise-daemon",
    `command=${quoteWord(command)}`,
    `command_args=${quoteWord(args.join(" "))}`,
    ...(spec.user === null ? [] : [`command_user=${quoteWord(spec.user)}`]),
    "# It is started again for ever. The step and its cap are known from OpenRC 0.55 on; before, the pause stays.",
    "respawn_max=0",
    "respawn_delay=5",
    "respawn_delay_step=5",
    "respawn_delay_cap=60",
    "# Only the agent itself is signalled: it hangs up its terminals, as a lost line would. What people put into the",
    "# background for good goes on.",
    'retry="TERM/30/KILL/5"',
    "# To syslog, which keeps its files short.",
    `output_logger="logger -t ${SERVICE} -p daemon.info"`,
    `error_logger="logger -t ${SERVICE} -p daemon.info"`,
    "",
    ...readVariables(spec, [`/etc/conf.d/${SERVICE}`]),
    `export BUN_TMPDIR=${CACHE}`,
    "",
    "depend() {",
    "\tuse net dns logger",
    "\tafter firewall",
    "}",
    "",
    "start_pre() {",
    `\tcheckpath --directory --mode 0700 --owner ${quoteWord(owner)} ${CACHE}`,
    "}",
  ].join("\n")}\n`;
}

/** A script of SysV init. Nothing there starts again what has crashed: the agent does its own daemon's work. */
export function sysvScript(spec: ServiceSpec): string {
  const call = (name: string, ...more: string[]) => {
    const words = [...commandOf(spec, name), ...more].map(quoteWord).join(" ");
    return spec.user === null ? words : `su -s /bin/sh ${quoteWord(spec.user)} -c ${quoteWord(words)}`;
  };
  const owner = spec.user ?? "root";
  return `${[
    "#!/bin/sh",
    "### BEGIN INIT INFO",
    `# Provides:          ${SERVICE}`,
    "# Required-Start:    $remote_fs $syslog",
    "# Required-Stop:     $remote_fs $syslog",
    "# Should-Start:      $network $named $time",
    "# Should-Stop:       $network",
    "# Default-Start:     2 3 4 5",
    "# Default-Stop:      0 1 6",
    "# Short-Description: Rexec agent: shells of this machine through a Rexec server",
    "### END INIT INFO",
    "# Written by rexec-agent install, which writes it anew when it is run again; variables of your own, such as",
    `# REXEC_TOKEN, belong into /etc/default/${SERVICE} (or /etc/sysconfig/${SERVICE}).`,
    "# SysV init starts nothing again that has crashed.",
    "",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...readVariables(spec, [`/etc/default/${SERVICE}`, `/etc/sysconfig/${SERVICE}`]),
    `export PATH BUN_TMPDIR=${CACHE}`,
    "",
    "start() {",
    `\tmkdir -p ${CACHE} && chmod 700 ${CACHE} && chown ${quoteWord(owner)} ${CACHE} || return 1`,
    "\t# LSB: to start what runs already is no failure.",
    "\tstatus >/dev/null 2>&1 && return 0",
    `\t${call("start", "--daemon")}`,
    "}",
    "",
    "# Hangs up the terminals, as a lost line would; what people put into the background for good goes on.",
    "stop() {",
    "\tstatus >/dev/null 2>&1 || return 0",
    `\t${call("stop")}`,
    "}",
    "",
    "status() {",
    `\t${call("status")}`,
    "}",
    "",
    'case "$1" in',
    "start) start ;;",
    "stop) stop ;;",
    "restart | force-reload) stop && start ;;",
    "status) status ;;",
    "*)",
    '\techo "Usage: $0 {start|stop|restart|force-reload|status}" >&2',
    "\texit 2",
    "\t;;",
    "esac",
  ].join("\n")}\n`;
}

// --- internal ---

/**
 * What overrules the configuration is not taken from the environment of the script's caller, only from files: that
 * in which install keeps a proxy, and the administrator's.
 */
function readVariables({ envFile }: ServiceSpec, files: readonly string[]): string[] {
  return [
    `unset ${FOREIGN_VARIABLES.join(" ")}`,
    "set -a",
    ...[envFile, ...files].flatMap((path) => {
      const file = quoteWord(path);
      return ["# shellcheck source=/dev/null", `if [ -r ${file} ]; then . ${file}; fi`];
    }),
    "set +a",
    `unset ${RUNTIME_VARIABLES.join(" ")}`,
  ];
}
