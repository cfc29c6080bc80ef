/** Advice that several errors give. */

const PUBLIC_ORIGIN = "https://rexec.pipeops.io";

/**
 * Where an API token of that server comes from, to be put in brackets. The public service has a dashboard; a gateway of
 * one's own is asked on its machine.
 * @param server its address
 */
export function tokenPlace(server: string | URL): string {
  const origin = URL.canParse(String(server)) ? new URL(String(server)).origin : "";
  if (origin === PUBLIC_ORIGIN) return `in the dashboard under Settings: ${PUBLIC_ORIGIN}/settings`;
  return "on the gateway's machine: rexec serve --new-admin-token; or by its administrator";
}
