/** The control socket of a running agent: a Unix socket that only its account can open. */
import { chmodSync, unlinkSync } from "node:fs";
import type { Socket } from "bun";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { askAgent } from "./client.ts";
import {
  type ControlAnswer,
  type ControlRequest,
  controlRequest,
  MAX_LINE_BYTES,
  type RequestName,
} from "./messages.ts";
import type { RuntimePlace } from "./place.ts";

/** What a handler may do beside answering. */
export interface Asked {
  /** Runs once the answer has been handed to the kernel: for what ends this process or replaces it. */
  afterwards(run: () => void): void;
}

/** The answer's fields beside `ok`; what is thrown is answered as a refusal. */
export type ControlHandlers = {
  [Name in RequestName]?: (
    request: Extract<ControlRequest, { do: Name }>,
    asked: Asked,
  ) => Record<string, unknown> | Promise<Record<string, unknown>>;
};

/** What the control socket serves. */
export interface ControlOptions {
  place: RuntimePlace;
  handlers: ControlHandlers;
  logger: Logger;
}

/**
 * Opens the socket; its folder is there. That of a dead agent is replaced, that of a living one never.
 * @throws RexecError `already_running`, or the system's error
 */
export async function startControl({ place, handlers, logger }: ControlOptions): Promise<Disposable> {
  const open = () => listen(place.socket, handlers, logger);
  const server = await open().catch(async (error: unknown) => {
    if (errnoOf(error) !== "EADDRINUSE") throw error;
    await assertDead(place);
    unlinkSync(place.socket);
    return open();
  });
  return {
    [Symbol.dispose]() {
      server.stop(true); // and removes the file
    },
  };
}

// --- internal ---

/** The most that may be connected at once; each lives for one question. */
const MAX_CLIENTS = 32;
/** A client that says nothing for so long is cut off, s. */
const SILENCE_S = 10;

interface Client {
  text: string;
  asked: boolean;
  answer: Uint8Array;
}

async function assertDead(place: RuntimePlace): Promise<void> {
  const answer = await askAgent(place, { do: "status" }, { timeoutMs: 2_000 }).catch(() => "busy");
  if (answer === null) return;
  throw new RexecError(`an agent with this configuration runs already (${place.socket})`, {
    code: "already_running",
    hint: "rexec-agent status shows it, rexec-agent stop ends it",
  });
}

async function listen(path: string, handlers: ControlHandlers, logger: Logger) {
  let clients = 0;
  // Between the making of the file and its chmod no other account may open it.
  const before = process.umask(0o177);
  try {
    const server = Bun.listen<Client>({
      unix: path,
      socket: {
        open(socket) {
          clients += 1;
          socket.data = { text: "", asked: false, answer: new Uint8Array() };
          socket.timeout(SILENCE_S);
          if (clients > MAX_CLIENTS) socket.terminate();
        },
        data(socket, bytes) {
          const { data } = socket;
          if (data.asked) return;
          data.text += bytes.toString();
          const end = data.text.indexOf("\n");
          if (end < 0 && data.text.length <= MAX_LINE_BYTES) return;
          data.asked = true;
          void answer(socket, data.text.slice(0, Math.max(0, end)), handlers, logger);
        },
        drain: flush,
        close() {
          clients -= 1;
        },
        timeout: (socket) => socket.terminate(),
        error() {},
      },
    });
    chmodSync(path, 0o600);
    return server;
  } finally {
    process.umask(before);
  }
}

async function answer(
  socket: Socket<Client>,
  line: string,
  handlers: ControlHandlers,
  logger: Logger,
): Promise<void> {
  const later: (() => void)[] = [];
  const reply = await replyTo(line, handlers, { afterwards: (run) => void later.push(run) }).catch(
    (error: unknown): ControlAnswer => {
      const { code, hint } = error instanceof RexecError ? error : { code: "failed", hint: undefined };
      return { ok: false, code, message: messageOf(error), ...(hint ? { hint } : {}) };
    },
  );
  if (!reply.ok) logger.debug(`control socket: refused: ${String(reply.message)}`);
  socket.data.answer = Buffer.from(`${JSON.stringify(reply)}\n`);
  flush(socket);
  for (const run of later) run();
}

async function replyTo(line: string, handlers: ControlHandlers, asked: Asked): Promise<ControlAnswer> {
  const request = controlRequest.safeParse(parseJson(line));
  if (!request.success)
    return { ok: false, code: "bad_request", message: "this agent does not know that request" };
  const fields = await call(handlers, request.data, asked);
  if (fields) return { ...fields, ok: true };
  return { ok: false, code: "unsupported", message: `this agent does not take "${request.data.do}"` };
}

/** A union of functions takes no union of arguments: each name by itself. */
async function call(handlers: ControlHandlers, request: ControlRequest, asked: Asked) {
  switch (request.do) {
    case "status":
      return handlers.status?.(request, asked);
    case "reload-token":
      return handlers["reload-token"]?.(request, asked);
    case "restart":
      return handlers.restart?.(request, asked);
    case "continue":
      return handlers.continue?.(request, asked);
  }
}

function flush(socket: Socket<Client>): void {
  const { data } = socket;
  if (data.answer.length === 0) return;
  const written = socket.write(data.answer);
  data.answer = data.answer.subarray(Math.max(0, written));
  if (data.answer.length === 0) socket.end();
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
