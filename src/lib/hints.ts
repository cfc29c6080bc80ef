/** Advice that several errors give. */

/** Where API tokens come from; true for the public service, which has a dashboard, and for a gateway of one's own. */
export const TOKEN_PLACE =
  "in the dashboard under Settings; on a gateway of your own with rexec serve --new-admin-token";
