/** How a command line names the server; apart, since the program needs these without a client. */
import type { ArgsDef } from "citty";

/** Options of every command that talks to a server. */
export const serverArgs = {
  host: {
    type: "string",
    valueHint: "URL",
    description:
      "Server, or the beginning of its name where you are logged in (REXEC_HOST or REXEC_API; default: that of the last login or rexec use, else https://rexec.pipeops.io)",
  },
  insecure: {
    type: "boolean",
    description: "Allow plain http to a host that is not this machine (REXEC_INSECURE=1)",
  },
  caFile: {
    type: "string",
    valueHint: "FILE",
    description: "Trust this certificate authority too, PEM (REXEC_CA_FILE)",
  },
} as const satisfies ArgsDef;
