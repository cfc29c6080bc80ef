/** The two ways in which the bench sits at a terminal: as a viewer on the gateway's socket, and at a program on a PTY. */
import { parseToViewerMessage } from "../src/protocol/v1-viewer.ts";
import { openPty } from "../src/pty/open.ts";

/** Bytes in, bytes out. */
export interface Terminal {
  write(text: string): void;
  /** Called with each piece of output; one listener at a time. */
  onData: (bytes: Uint8Array) => void;
  close(): Promise<void>;
}

/** A viewer with a shell of its own, speaking v1 as a script would. */
export async function viewerTerminal(url: string, token: string, agentId: string): Promise<Terminal> {
  const query = `id=${crypto.randomUUID()}&newSession=true`;
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws/agent/${agentId}/terminal?${query}`, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  });
  socket.binaryType = "arraybuffer";
  const encoder = new TextEncoder();
  const closed = new Promise<void>((resolve) => socket.addEventListener("close", () => resolve()));
  const terminal: Terminal = {
    write: (text) => socket.send(encoder.encode(text)),
    onData: () => {},
    close: async () => {
      socket.close();
      await closed;
    },
  };
  const started = Promise.withResolvers<void>();
  socket.addEventListener("close", () => started.reject(new Error("the viewer socket closed")));
  socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data !== "string") return;
    const message = parseToViewerMessage(data);
    if (!message.ok) return;
    if (message.value.type === "output") terminal.onData(encoder.encode(message.value.data));
    if (message.value.type === "shell_started") started.resolve();
  });
  await started.promise;
  return terminal;
}

/** A program on a PTY of ours, as it is in a person's terminal. */
export function ptyTerminal(command: readonly string[], env: Record<string, string | undefined>): Terminal {
  const [file = "", ...args] = command;
  const defined = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const pty = openPty({
    file,
    args,
    env: { ...defined, TERM: "xterm-256color" },
    cwd: "/",
    cols: 120,
    rows: 30,
  });
  const encoder = new TextEncoder();
  const terminal: Terminal = {
    write: (text) => void pty.write(encoder.encode(text)),
    onData: () => {},
    close: async () => void (await pty.close()),
  };
  void (async () => {
    for (let chunk = await pty.read(); chunk; chunk = await pty.read()) terminal.onData(chunk);
  })();
  return terminal;
}
