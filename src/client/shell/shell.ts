/** A remote shell over rexec.v2: what it wrote is shown once and in order, what was typed arrives once, over any cut. */
import { messageOf } from "../../lib/errors.ts";
import { MAIN_SESSION, splitSessionId } from "../../protocol/ids.ts";
import { SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import type { Connection } from "../socket.ts";
import { sessionGone } from "../stream/refusals.ts";
import { Retry } from "../stream/retry.ts";
import { isFinal, openViewer } from "../viewer.ts";
import { type AttachContext, type AttachEnd, afterClose, type Step } from "./attach-context.ts";
import { NOTICED_AFTER_MS, ShellChannel } from "./shell-channel.ts";
import { ShellState } from "./shell-state.ts";

/** Input that was typed just before leaving gets this long to arrive, ms. */
const LAST_INPUT_MS = 1_000;

/**
 * @param first open already
 * @throws as `attach`
 */
export async function attachV2(context: AttachContext, first: Connection): Promise<AttachEnd> {
  const { signal, target, clock, input } = context;
  const session = context.session ?? (target.newSession ? splitSessionId(target.viewerId) : MAIN_SESSION);
  const state = new ShellState(context, session);
  const retry = new Retry();
  let told = false;
  const attached = (channel: ShellChannel) => {
    retry.succeeded();
    if (told) context.status({ kind: "reconnected" });
    // What was told stood on the screen of a program that doesn't know of it.
    if (told && context.terminal.fullScreen) channel.redraw();
    told = false;
  };
  input.to({ takesEarly: true, take: (bytes) => state.journal.take(bytes, signal) });
  context.status({ kind: "connected", v2: true });
  let connection: Connection | null = first;
  for (;;) {
    const step = await serve(context, state, connection, retry, attached);
    if (step.kind === "left")
      return { ...step, livesOn: state.instance === null ? null : session, isKept: true };
    if (step.kind === "exited") return step;
    connection = null;
    const now = clock.now();
    const retryInMs = retry.next(now);
    if (!told && now - (retry.lostAt ?? now) > NOTICED_AFTER_MS) {
      told = true;
      context.status({ kind: "lost", reason: step.reason, retryInMs });
    }
    await clock.sleep(retryInMs, signal);
  }
}

// --- internal ---

async function serve(
  context: AttachContext,
  state: ShellState,
  open: Connection | null,
  retry: Retry,
  attached: (channel: ShellChannel) => void,
): Promise<Step> {
  const { signal, target, clock } = context;
  let connection = open;
  try {
    if (!connection) {
      const openMs = retry.dial(clock.now());
      connection = await openViewer(target, signal, { protocols: [SUBPROTOCOL_V2], openMs });
      retry.opened(clock.now());
    }
  } catch (error) {
    if (signal.aborted) return { kind: "left" };
    if (isFinal(error)) throw error;
    return { kind: "lost", reason: messageOf(error) };
  }
  try {
    // The agent came back as an older version: it has none of our sessions.
    if (connection.protocol !== SUBPROTOCOL_V2) throw sessionGone(state.journal.unapplied);
    return await shown(context, state, connection, attached);
  } finally {
    connection.close();
  }
}

async function shown(
  context: AttachContext,
  state: ShellState,
  connection: Connection,
  attached: (channel: ShellChannel) => void,
): Promise<Step> {
  const { signal } = context;
  const channel = new ShellChannel(context, state, connection, attached);
  const left = Promise.withResolvers<Step>();
  const leave = () => left.resolve({ kind: "left" });
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  try {
    channel.attach();
    const closed = connection.closed.then(afterClose);
    const step = await Promise.race([channel.ended, closed, left.promise]);
    if (step.kind === "left") await farewell(state, channel, connection);
    // The end was told after the last output, which may still be on its way to the screen.
    if (step.kind === "exited") await channel.flushed();
    return step;
  } finally {
    signal.removeEventListener("abort", leave);
    channel.dispose();
  }
}

/** What was typed last still counts: it is waited for, for a moment. */
async function farewell(state: ShellState, channel: ShellChannel, connection: Connection): Promise<void> {
  const limit = AbortSignal.timeout(LAST_INPUT_MS);
  await Promise.race([state.journal.applied(limit), connection.closed]);
  channel.detach();
  await connection.finish(LAST_INPUT_MS / 2);
}
