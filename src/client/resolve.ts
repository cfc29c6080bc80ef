/** Which agent a person means by a name, an id, or the beginning of one. */
import { ExitCode, RexecError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { closest } from "../lib/suggest.ts";
import type { Agent } from "../protocol/http.ts";
import { bareAgentId } from "../protocol/ids.ts";

/** Fewer letters of an id are more likely the start of a name. */
const SHORTEST_ID_PREFIX = 4;
const MOST_CANDIDATES = 8;

/**
 * The agent that is meant: its id (also as `agent:ID`), its exact name, the beginning of a name, the beginning of an
 * id, and last the same without regard to case. The first of these that fits any decides.
 * @throws RexecError `ambiguous` (exit code 2) with the candidates, `no_agents`, `unknown_agent` (exit code 4)
 */
export function pickAgent(reference: string, agents: readonly Agent[]): Agent {
  const wanted = bareAgentId(reference);
  const lower = wanted.toLowerCase();
  const tests: ((agent: Agent) => boolean)[] = [
    (agent) => agent.id === wanted,
    (agent) => agent.name === wanted,
    (agent) => agent.name.startsWith(wanted),
    (agent) => wanted.length >= SHORTEST_ID_PREFIX && agent.id.startsWith(wanted),
    (agent) => agent.name.toLowerCase() === lower,
    (agent) => agent.name.toLowerCase().startsWith(lower),
    (agent) => wanted.length >= SHORTEST_ID_PREFIX && agent.id.toLowerCase().startsWith(lower),
  ];
  for (const test of wanted ? tests : []) {
    const fitting = agents.filter(test);
    if (fitting.length > 1) throw ambiguous(reference, fitting);
    if (fitting[0]) return fitting[0];
  }
  throw unknown(reference, agents);
}

// --- internal ---

function ambiguous(reference: string, fitting: readonly Agent[]): RexecError {
  const shown = fitting
    .slice(0, MOST_CANDIDATES)
    .map(
      ({ name, id, status }) => `${printable(name, 100)} (${printable(id, 64)}, ${printable(status, 32)})`,
    );
  const more = fitting.length > shown.length ? ` and ${fitting.length - shown.length} more` : "";
  return new RexecError(`"${reference}" could be any of ${fitting.length}: ${shown.join(", ")}${more}`, {
    code: "ambiguous",
    hint: "give more of the name, or the id",
    exitCode: ExitCode.usage,
  });
}

function unknown(reference: string, agents: readonly Agent[]): RexecError {
  if (agents.length === 0) {
    return new RexecError(`there is no agent "${reference}": this account has none yet`, {
      code: "no_agents",
      hint: "rexec join create prints the line to paste on a machine; where the agent is there already: rexec-agent register",
      exitCode: ExitCode.rejected,
    });
  }
  const near = closest(
    reference,
    agents.map((agent) => agent.name),
  );
  return new RexecError(`there is no agent "${reference}"`, {
    code: "unknown_agent",
    hint: near ? `did you mean ${near}? "rexec ls" lists them all` : `"rexec ls" lists them all`,
    exitCode: ExitCode.rejected,
  });
}
