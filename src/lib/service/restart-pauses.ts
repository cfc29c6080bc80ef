/** Pauses between the restarts of a service by systemd. */

/** Since this version systemd lets the pause between restarts grow by itself. */
const GROWING_RESTARTS = 254;
/** The longest of these pauses, s. */
const LONGEST_PAUSE_S = 60;

/** From one second to a minute. An older systemd only knows one pause: there a command in front adds the rest. */
export function restartPauses(isSystem: boolean, version: number): string[] {
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
