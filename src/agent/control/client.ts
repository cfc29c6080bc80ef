/** Asks a running agent over its control socket. */
import { lstatSync } from "node:fs";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";
import { asOwnerOfNow } from "../trust/as-owner.ts";
import {
  type AgentStatus,
  agentStatus,
  type ControlAnswer,
  type ControlRequest,
  controlAnswer,
  MAX_LINE_BYTES,
} from "./messages.ts";
import type { RuntimePlace } from "./place.ts";

/** How long an agent may take, ms. */
const TIMEOUT_MS = 5_000;

/**
 * One question, one answer. Root asks another account's agent as that account.
 * @returns null where no agent listens: no socket, or that of a dead agent
 * @throws RexecError `agent_silent` (it listens and does not answer in time), `agent_forbidden` (another account's),
 * `untrusted_path` (several accounts, or any, may have put that socket there)
 */
export async function askAgent(
  place: Pick<RuntimePlace, "socket">,
  request: ControlRequest,
  { timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {},
): Promise<ControlAnswer | null> {
  if (!isThere(place.socket)) return null;
  return ask(place, request, timeoutMs);
}

/** What the agent says of itself; null where none runs. @throws as `askAgent`, and where it cannot say */
export async function askStatus(
  place: Pick<RuntimePlace, "socket">,
  timeoutMs = TIMEOUT_MS,
): Promise<AgentStatus | null> {
  const answer = await askAgent(place, { do: "status" }, { timeoutMs });
  if (answer === null) return null;
  const status = agentStatus.safeParse(answer);
  if (status.success) return status.data;
  throw silent("the running agent is of another version: what it says of itself is not understood");
}

// --- internal ---

async function ask(
  place: Pick<RuntimePlace, "socket">,
  request: ControlRequest,
  timeoutMs: number,
): Promise<ControlAnswer | null> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  promise.catch(() => {}); // while it connects, and where that fails, nothing waits for it
  const timer = setTimeout(
    () => reject(silent(`the running agent did not answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  let text = "";
  let close = () => {};
  try {
    const connect = () =>
      Bun.connect({
        unix: place.socket,
        socket: {
          data(_, bytes) {
            text += bytes.toString();
            const end = text.indexOf("\n");
            if (end >= 0) resolve(text.slice(0, end));
            else if (text.length > MAX_LINE_BYTES)
              reject(silent("what the running agent answered is no answer"));
          },
          close: () => reject(silent("the running agent closed its control socket without an answer")),
          error: (_, error) => reject(error),
          // Taken up below, by the rejection of `connect`.
          connectError() {},
        },
      });
    // The runtime calls connect(2) at once: what comes later needs no rights.
    const socket = await asOwnerOfNow(place.socket, connect);
    close = () => socket.terminate();
    socket.write(`${JSON.stringify(request)}\n`);
    return parseAnswer(await promise);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR") return null;
    if (code === "EACCES" || code === "EPERM") throw forbidden(place.socket, error);
    throw error;
  } finally {
    clearTimeout(timer);
    close();
  }
}

/** For a path too long for an address Bun says no more than "Failed to connect" where there is nothing. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
  } catch (error) {
    if (errnoOf(error) === "EACCES") throw forbidden(path, error);
    return false;
  }
}

function forbidden(path: string, cause: unknown): RexecError {
  return new RexecError(`may not ask the agent at ${path}: ${messageOf(cause)}`, {
    code: "agent_forbidden",
    hint: "run this as the account that the agent runs as (sudo)",
    cause,
  });
}

function parseAnswer(line: string): ControlAnswer {
  try {
    return controlAnswer.parse(JSON.parse(line));
  } catch {
    throw silent("what the running agent answered is no answer");
  }
}

function silent(message: string): RexecError {
  return new RexecError(message, { code: "agent_silent", hint: "rexec-agent logs may say more" });
}
