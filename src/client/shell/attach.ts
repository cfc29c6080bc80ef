/** A remote shell in the near terminal, through lost connections, until it exits or the person leaves. */
import { systemClock } from "../../lib/clock.ts";
import { SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import { InputPump } from "../terminal/input-pump.ts";
import { attachV1, tellOthers } from "../v1/attach.ts";
import { openViewer } from "../viewer.ts";
import { whenThere } from "../waiting.ts";
import {
  type AttachContext,
  type AttachEnd,
  type AttachOptions,
  noSessions,
  noTerminalCommands,
} from "./attach-context.ts";
import { attachV2 } from "./shell.ts";

/**
 * Shows the session until it ends. A connection that drops is made again, with the same viewer id and so the same
 * session.
 * @throws as `openViewer` where the first connection fails, or a later one finally; RexecError `shell_failed`,
 * `viewer_replaced`, `agent_deleted`, `session_gone`, `unknown_session`, `no_sessions`, `connection_lost` (v1, and no
 * person at the terminal)
 */
export async function attach(options: AttachOptions): Promise<AttachEnd> {
  const { clock = systemClock, terminal } = options;
  const left = new AbortController();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // raced below
  const signal = AbortSignal.any([options.signal, left.signal]);
  const input = new InputPump({
    terminal,
    clock,
    signal,
    escapeKey: options.escapeKey,
    leave: () => left.abort(),
  });
  try {
    const context = { ...options, clock, signal, input, fail: failed.reject };
    return await Promise.race([negotiate(context), failed.promise]);
  } finally {
    left.abort();
  }
}

// --- internal ---

async function negotiate(context: AttachContext): Promise<AttachEnd> {
  const { target, signal } = context;
  if (signal.aborted) return { kind: "left", livesOn: null, isKept: false };
  try {
    const open = () => openViewer(target, signal);
    const { wait, clock } = context;
    const connection = await (wait ? whenThere(target, { ...wait, signal, clock }, open) : open());
    const isV2 = connection.protocol === SUBPROTOCOL_V2;
    if (!isV2) {
      // What the shell prints meanwhile waits at the server, and not in here.
      connection.pause();
      await tellOthers(context);
      connection.resume();
    }
    // Not before: what was typed ahead waits in the terminal, where Ctrl-C still works.
    context.input.run().catch(context.fail);
    if (isV2) return await attachV2(context, connection);
    if (context.command) {
      connection.close();
      throw noTerminalCommands();
    }
    if (context.session !== undefined || context.create === false) {
      connection.close();
      throw noSessions();
    }
    return await attachV1(context, connection);
  } catch (error) {
    if (signal.aborted) return { kind: "left", livesOn: null, isKept: false };
    throw error;
  }
}
