/** A remote shell in the local terminal, through lost connections, until it exits or the user leaves. */
import { systemClock } from "../../lib/clock.ts";
import type { LinkSocket } from "../../link/socket.ts";
import { SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import { keepConnected } from "../reconnect.ts";
import { InputPump } from "../terminal/input-pump.ts";
import { ShellV1 } from "../v1/shell.ts";
import { openViewer } from "../viewer.ts";
import { whenThere } from "../waiting.ts";
import type { AttachContext, AttachEnd, AttachOptions, Shell, ShellConversation } from "./attach-context.ts";
import { ShellV2 } from "./shell.ts";

/**
 * Shows the session until it ends. A connection that drops is made again, with the same viewer id and so the same
 * session.
 * @throws as `openViewer` where the first connection fails, or a later one for good; RexecError `shell_failed`,
 * `viewer_replaced`, `agent_deleted`, `session_gone`, `unknown_session`, `no_sessions`, `connection_lost` (v1, and input from a pipe)
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

const GONE: AttachEnd = { kind: "left", livesOn: null, isKept: false };

async function negotiate(context: AttachContext): Promise<AttachEnd> {
  const { target, signal, wait, clock } = context;
  if (signal.aborted) return GONE;
  try {
    const open = () => openViewer(target, signal);
    const connection = await (wait ? whenThere(target, { ...wait, signal, clock }, open) : open());
    try {
      return await show(context, connection);
    } finally {
      connection.close();
    }
  } catch (error) {
    if (signal.aborted) return GONE;
    throw error;
  }
}

async function show(context: AttachContext, first: LinkSocket): Promise<AttachEnd> {
  const { terminal, input, status, target, signal, clock } = context;
  const isV2 = first.protocol === SUBPROTOCOL_V2;
  const shell: Shell = isV2 ? new ShellV2(context) : new ShellV1(context);
  await shell.prepare(first);
  // Not before: what was typed ahead waits in the terminal, where Ctrl-C still works.
  input.run().catch(context.fail);
  input.to(shell);
  status({ kind: "connected", v2: isV2 });
  let current: ShellConversation | null = null;
  const stopResizing = terminal.onResize(() => {
    const size = terminal.size();
    if (size) current?.resize(size);
  });
  try {
    const ended = await keepConnected(first, {
      target,
      signal,
      clock,
      status,
      subprotocol: shell.subprotocol,
      times: shell.times,
      converse(connection, attached) {
        current = shell.on(connection, attached);
        return current;
      },
      onLost: (reason) => shell.onLost(reason),
    });
    return ended ? { kind: "exited", exitCode: ended.end } : { kind: "left", ...(await shell.left()) };
  } finally {
    stopResizing();
  }
}
