/** Advice that several errors give. */

const PUBLIC_ORIGIN = "https://rexec.pipeops.io";

/**
 * Where to get an API token of this server, as text in brackets: the public service has a dashboard, a self-hosted
 * gateway has a command.
 * @param server its address
 */
export function tokenPlace(server: string | URL): string {
  if (hasDashboard(server)) return `in the dashboard under Settings: ${PUBLIC_ORIGIN}/settings`;
  return "on the gateway's machine: rexec serve --new-admin-token; or by its administrator";
}

/** What to register a machine at this server with, and where to get it. */
export function joinPlace(server: string | URL): string {
  if (hasDashboard(server)) return `an API token (${tokenPlace(server)})`;
  return "a join token, where you are logged in: rexec join create";
}

/** How to remove an agent whose machine cannot do it. */
export function removalPlace(server: string | URL, agentId: string): string {
  const call = `DELETE /api/agents/${agentId} with a token of the account`;
  return hasDashboard(server) ? `in the dashboard under Settings, or by ${call}` : `by ${call}`;
}

/** True for the address of the public service, which has a dashboard. */
export function hasDashboard(server: string | URL): boolean {
  const text = String(server);
  return URL.canParse(text) && new URL(text).origin === PUBLIC_ORIGIN;
}
