/** How long a command waits for a machine that is between two connections. */
import type { ArgsDef } from "citty";
import type { Server } from "../client/api.ts";
import type { ServerChoice } from "../client/credentials.ts";
import { agentOffline } from "../client/viewer.ts";
import { type Wait, whenThere } from "../client/waiting.ts";
import { LONGEST_TIMER_MS, parseDuration } from "../lib/duration.ts";
import { UsageError } from "../lib/errors.ts";
import { HttpError } from "../lib/http.ts";
import type { Agent } from "../protocol/http.ts";
import { say } from "./_output.ts";
import { findAgent } from "./_server.ts";

export const waitArgs = {
  wait: {
    type: "string",
    valueHint: "TIME",
    description:
      "Wait so long for a machine that is offline (default: 5s where it was there a moment ago; 0 fails at once)",
  },
} as const satisfies ArgsDef;

/** @throws UsageError */
export function waitOf({ wait }: { wait?: string | undefined }): Wait {
  const ms = wait === undefined ? null : parseDuration(wait);
  if (wait !== undefined && (ms === null || ms > LONGEST_TIMER_MS)) {
    throw new UsageError(`--wait cannot be "${wait}"`, "give 5s, 500ms or 2m; 0 does not wait");
  }
  const onWaiting = (reason: string, limitMs: number) =>
    say(`rexec: ${reason}; waiting for it, up to ${Math.round(limitMs / 100) / 10} s`);
  return { ms, onWaiting };
}

/** Does a call of the API that needs the agent, and waits for it. @throws RexecError `agent_offline`, by its name */
export function whenAgentThere<T>(
  server: Server,
  agent: Agent,
  wait: Wait,
  call: () => Promise<T>,
): Promise<T> {
  return whenThere({ server, agentId: agent.id }, wait, async () => {
    try {
      return await call();
    } catch (error) {
      const isOffline = error instanceof HttpError && error.serverCode === "agent_offline";
      throw isOffline ? agentOffline(`${agent.name} is offline`) : error;
    }
  });
}

/** As `findAgent`, also of a server that is being restarted. */
export function findAwaitedAgent(
  choice: ServerChoice,
  reference: string,
  wait: Wait,
): Promise<{ server: Server; agent: Agent }> {
  return whenThere(null, wait, () => findAgent(choice, reference));
}
