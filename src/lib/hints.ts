/** Advice that several errors give. */

const PUBLIC_ORIGIN = "https://rexec.pipeops.io";

/**
 * Where an API token of that server comes from, to be put in brackets. The public service has a dashboard; a gateway of
 * one's own is asked on its machine.
 * @param server its address
 */
export function tokenPlace(server: string | URL): string {
  if (hasDashboard(server)) return `in the dashboard under Settings: ${PUBLIC_ORIGIN}/settings`;
  return "on the gateway's machine: rexec serve --new-admin-token; or by its administrator";
}

/** How an agent is taken off that server where its own machine cannot do it. */
export function removalPlace(server: string | URL, agentId: string): string {
  const call = `DELETE /api/agents/${agentId} with a token of the account`;
  return hasDashboard(server) ? `in the dashboard under Settings, or by ${call}` : `by ${call}`;
}

/** Whether that server is the public service, which people can use in a browser, too. @param server its address */
export function hasDashboard(server: string | URL): boolean {
  const text = String(server);
  return URL.canParse(text) && new URL(text).origin === PUBLIC_ORIGIN;
}
