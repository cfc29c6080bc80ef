/** The options of `start --ephemeral`, apart from its code, which no other command needs. */
import { UsageError } from "../../lib/errors.ts";
import { mayBeEmpty } from "../_cli.ts";
import type { AgentArgs } from "./_options.ts";

/** Options of `start` that mean something with `--ephemeral` alone. */
export const ephemeralArgs = {
  ephemeral: {
    type: "boolean",
    description:
      "For CI jobs: register, serve, unregister at the end; reads no configuration but one that is named, and writes none",
  },
  timeout: {
    type: "string",
    valueHint: "TIME",
    description: "With --ephemeral: leave after so long, whoever is there, such as 30m",
  },
  "wait-for-viewer": {
    type: "boolean",
    description: "With --ephemeral: leave once somebody was at a shell and has left; the job waits for that",
  },
  "keep-env": {
    type: "boolean",
    description: "With --ephemeral: hand shells all of the environment, secrets too",
  },
  "pass-env": {
    type: "string",
    valueHint: "A,B,…",
    description: "With --ephemeral: hand shells these variables although they look like secrets",
  },
  name: {
    type: "string",
    alias: "n",
    valueHint: "NAME",
    description: "With --ephemeral: name of the terminal (default: made of the CI job's variables)",
  },
  tags: mayBeEmpty({
    type: "string",
    alias: "t",
    valueHint: "A,B,…",
    description:
      "With --ephemeral: tags beside ephemeral, ci and the CI system's own (a join token gives its own in place of all these)",
  }),
  token: {
    type: "string",
    valueHint: "TOKEN",
    description: "With --ephemeral: join token, or API token of the account (better: set REXEC_TOKEN)",
  },
  host: {
    type: "string",
    valueHint: "URL",
    description: "With --ephemeral: API host (REXEC_HOST or REXEC_API; default: https://rexec.pipeops.io)",
  },
} as const;

/** The options of `start --ephemeral`, as they were given. */
export interface EphemeralArgs extends AgentArgs {
  ephemeral?: boolean | undefined;
  timeout?: string | undefined;
  "wait-for-viewer"?: boolean | undefined;
  "keep-env"?: boolean | undefined;
  "pass-env"?: string | undefined;
  name?: string | undefined;
  tags?: string | undefined;
  token?: string | undefined;
  host?: string | undefined;
}

/** @throws UsageError where an option of ours is given without `--ephemeral` */
export function assertNotEphemeral(args: Readonly<Record<string, unknown>>): void {
  const stray = Object.keys(ephemeralArgs).find(
    (name) => name !== "ephemeral" && args[name] !== undefined && args[name] !== false,
  );
  if (stray) throw new UsageError(`--${stray} belongs to --ephemeral`, "give both, or leave it out");
}
