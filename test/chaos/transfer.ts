/**
 * Bytes in both directions through both legs in bad weather, with the gateway killed and started again in between:
 * once by a shell on a PTY, once by a command with pipes. Each gives what arrived beside what was sent.
 */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { openPty } from "../../src/pty/open.ts";
import { binary } from "../support/binaries.ts";
import { until } from "../support/wait.ts";
import { forecast, ROUGH } from "./forecast.ts";
import { Storm } from "./proxy.ts";
import { type ChaosWorld, Framed, tail, writePayload } from "./world.ts";

export interface TransferOptions {
  seed: number;
  outputBytes: number;
  inputBytes: number;
  /** How often each leg is to be cut, about. */
  cuts: number;
  /** How often the gateway is killed -9. */
  kills: number;
  onProgress?: (line: string) => void;
}

export interface Report {
  seconds: number;
  /** Connections ended by the proxies, and all that they did. */
  cuts: { agent: number; viewer: number };
  weather: { agent: Storm["count"]; viewer: Storm["count"] };
  kills: number;
  /** Each stream as it was sent and as it arrived: SHA-256 and length. */
  streams: { name: string; sent: string; arrived: string; bytes: number; expected: number }[];
  /** The program's own end. */
  exitCode: number | null;
  /** What the client told a person. */
  said: string;
}

/** Nothing arrived for so long, ms: longer than any outage that the weather has. */
const STUCK_MS = 60_000;

/** `rexec connect` at a terminal: what a shell prints, and what is typed, each hashed at both ends. */
export async function shellTransfer(world: ChaosWorld, options: TransferOptions): Promise<Report> {
  const { outputBytes, inputBytes, seed } = options;
  const output = world.path("output");
  const sent = writePayload(output, outputBytes, seed);
  const input = payloadInMemory(world, inputBytes, seed + 1);
  const script = world.path("both.sh");
  // The terminal does nothing to the bytes; output and input flow at the same time.
  writeFileSync(
    script,
    `stty raw -echo
printf READY
cat ${output} &
head -c ${inputBytes} | sha256sum >${world.path("input.sum")}
wait
printf 'SUM:'; cat ${world.path("input.sum")}
sleep 1
exit 7
`,
  );
  const framed = new Framed(outputBytes);
  const client = new ShellClient(world, framed);
  try {
    await until(() => /[$#] $/.test(framed.head), 20_000, "a prompt");
    await client.type(`exec sh ${script}\r`);
    await until(() => framed.begun, 20_000, "the script to begin");
    const { seconds, storms, kills } = await weather(
      world,
      options,
      () => framed.bytes,
      async () => {
        await Promise.all([
          client.type(input.bytes),
          finished(
            () => framed.bytes + framed.tail.length,
            () => /SUM:\w{64}/.test(framed.tail),
            options,
          ),
        ]);
      },
    );
    const exitCode = await client.exit();
    return {
      seconds,
      ...storms,
      kills,
      exitCode,
      said: client.said,
      streams: [
        stream("output", sent, framed, outputBytes),
        {
          name: "input",
          sent: input.sum,
          arrived: /SUM:(\w{64})/.exec(framed.tail)?.[1] ?? "",
          bytes: inputBytes,
          expected: inputBytes,
        },
      ],
    };
  } finally {
    await client.close();
  }
}

/** `rexec exec` with pipes: stdout and stderr apart, and stdin. */
export async function execTransfer(world: ChaosWorld, options: TransferOptions): Promise<Report> {
  const { outputBytes, inputBytes, seed } = options;
  const errBytes = Math.floor(outputBytes / 10);
  const outBytes = outputBytes - errBytes;
  const [out, err] = [world.path("stdout"), world.path("stderr")];
  const sent = [writePayload(out, outBytes, seed), writePayload(err, errBytes, seed + 2)] as const;
  const input = payloadInMemory(world, inputBytes, seed + 1);
  const script = world.path("run.sh");
  writeFileSync(
    script,
    `cat ${out} & cat ${err} >&2 &
sha256sum >${world.path("stdin.sum")}
wait
printf 'SUM:'; cat ${world.path("stdin.sum")}
exit 7
`,
  );
  const args = ["exec", ...world.clientArgs, "box", "--", "sh", script];
  const child = Bun.spawn([binary("rexec"), ...args], {
    env: world.clientEnv,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  try {
    const stdout = new Framed(outBytes, true);
    const stderr = new Spoken();
    const ends = [
      drain(child.stdout, (bytes) => stdout.take(bytes)),
      drain(child.stderr, (bytes) => stderr.take(bytes)),
    ];
    const feed = (async () => {
      for (let at = 0; at < inputBytes; at += 65_536) {
        child.stdin.write(input.bytes.subarray(at, at + 65_536));
        await child.stdin.flush();
      }
      await child.stdin.end();
    })();
    await until(() => stdout.bytes > 0, 20_000, "the command to begin");
    const arrived = () => stdout.bytes + stdout.tail.length + stderr.length;
    const { seconds, storms, kills } = await weather(world, options, arrived, () =>
      finished(arrived, () => child.exitCode !== null, options),
    );
    await Promise.all([feed, ...ends]);
    const errors = stderr.result();
    return {
      seconds,
      ...storms,
      kills,
      exitCode: child.exitCode,
      said: errors.said,
      streams: [
        stream("stdout", sent[0], stdout, outBytes),
        { name: "stderr", sent: sent[1], arrived: errors.sum, bytes: errors.bytes, expected: errBytes },
        {
          name: "stdin",
          sent: input.sum,
          arrived: /SUM:(\w{64})/.exec(stdout.tail)?.[1] ?? "",
          bytes: inputBytes,
          expected: inputBytes,
        },
      ],
    };
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

/** What went wrong, one line each; none where every byte is where it belongs. */
export function faults({ streams, exitCode, said }: Report): string[] {
  const found = streams.flatMap(({ name, sent, arrived, bytes, expected }) =>
    sent === arrived && bytes === expected
      ? []
      : [`${name}: ${bytes} of ${expected} bytes arrived, SHA-256 ${arrived || "none"} for ${sent}`],
  );
  if (exitCode !== 7) found.push(`the client left with ${exitCode}, not with the program's 7`);
  if (/skipped|may not have arrived/.test(said)) found.push(`the client said: ${said}`);
  return found;
}

// --- internal ---

/** Does `work` in a storm on both legs; the gateway is killed at even distances of what arrives. */
async function weather(
  world: ChaosWorld,
  { seed, cuts, kills, outputBytes, inputBytes }: TransferOptions,
  arrived: () => number,
  work: () => Promise<unknown>,
) {
  const start = performance.now();
  const climate = {
    // Some gusts are no cuts, and some cuts find nothing to be cut.
    bytes: Math.max(1, Math.floor((0.6 * (outputBytes + inputBytes)) / Math.max(1, cuts))),
    ms: 3_000,
    weights: ROUGH,
    longestMs: 400,
  };
  const gusts = (of: number) => (cuts === 0 ? [][Symbol.iterator]() : forecast(of, climate));
  const agent = new Storm(world.agentLeg, gusts(seed));
  const viewer = new Storm(world.viewerLeg, gusts(seed + 1));
  let killed = 0;
  let over = false;
  const killer = (async () => {
    while (killed < kills && !over) {
      const due = ((killed + 1) * outputBytes) / (kills + 1);
      if (arrived() < due) {
        await Bun.sleep(5);
        continue;
      }
      await world.replaceGateway();
      killed += 1;
    }
  })();
  try {
    await work();
  } finally {
    over = true;
    await Promise.all([agent.stop(), viewer.stop(), killer]);
  }
  return {
    seconds: (performance.now() - start) / 1000,
    kills: killed,
    storms: {
      cuts: { agent: agent.cuts, viewer: viewer.cuts },
      weather: { agent: agent.count, viewer: viewer.count },
    },
  };
}

/** Resolves when `done` says so. @throws Error where nothing arrives any more */
async function finished(
  arrived: () => number,
  done: () => boolean,
  { outputBytes, onProgress }: TransferOptions,
): Promise<void> {
  let last = arrived();
  let at = performance.now();
  let told = at;
  while (!done()) {
    await Bun.sleep(10);
    const now = performance.now();
    if (arrived() !== last) {
      last = arrived();
      at = now;
    } else if (now - at > STUCK_MS) throw new Error(`stuck at ${last} of ${outputBytes} bytes`);
    if (now - told < 5_000) continue;
    told = now;
    onProgress?.(`${(last / 1e6).toFixed(1)} of ${(outputBytes / 1e6).toFixed(1)} MB`);
  }
}

function stream(name: string, sent: string, framed: Framed, expected: number) {
  return { name, sent, arrived: framed.digest(), bytes: framed.bytes, expected };
}

function payloadInMemory(world: ChaosWorld, bytes: number, seed: number): { bytes: Buffer; sum: string } {
  const path = world.path("input");
  const sum = writePayload(path, bytes, seed);
  return { bytes: readFileSync(path), sum };
}

/** `rexec connect` with its keyboard on a PTY, and its screen in a pipe: the overlay of a terminal is no output. */
class ShellClient {
  readonly #pty: ReturnType<typeof openPty>;
  readonly #log: string;

  constructor(world: ChaosWorld, framed: Framed) {
    const fifo = world.path("screen");
    Bun.spawnSync(["mkfifo", fifo]);
    this.#log = world.path("client.log");
    const command = ["connect", ...world.clientArgs, "box", "--new"];
    const env = Object.entries({ ...world.clientEnv, TERM: "xterm-256color" });
    this.#pty = openPty({
      file: "/bin/sh",
      args: ["-c", 'exec "$@" >"$0" 2>"$0.log"', fifo, binary("rexec"), ...command],
      env: Object.fromEntries(env.filter((entry): entry is [string, string] => entry[1] !== undefined)),
      cwd: world.folder,
      cols: 80,
      rows: 24,
    });
    this.#log = `${fifo}.log`;
    createReadStream(fifo, { highWaterMark: 256 * 1024 }).on("data", (chunk) =>
      framed.take(Buffer.from(chunk)),
    );
    void discard(this.#pty);
  }

  get said(): string {
    return tail(this.#log);
  }

  type(bytes: string | Uint8Array): Promise<void> {
    return this.#pty.write(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
  }

  async exit(): Promise<number | null> {
    return (await this.#pty.exited).exitCode;
  }

  async close(): Promise<void> {
    await this.#pty.close(500);
  }
}

/** stderr of a command, in which the client's own lines stand as well: they are told apart by their spaces. */
class Spoken {
  readonly #chunks: Uint8Array[] = [];
  length = 0;

  take(chunk: Uint8Array): void {
    this.#chunks.push(Uint8Array.from(chunk));
    this.length += chunk.length;
  }

  result(): { sum: string; bytes: number; said: string } {
    const text = Buffer.concat(this.#chunks).toString("latin1");
    const said: string[] = [];
    const rest = text.replaceAll(/rexec: (?:lost the connection \([^\n]*|connected again)\n/g, (line) => {
      said.push(line);
      return "";
    });
    return {
      sum: createHash("sha256").update(rest, "latin1").digest("hex"),
      bytes: rest.length,
      said: said.join(""),
    };
  }
}

/** Nothing is shown there, but without being read it could not end. */
async function discard(pty: ReturnType<typeof openPty>): Promise<void> {
  while ((await pty.read().catch(() => null)) !== null);
}

async function drain(stream: ReadableStream<Uint8Array>, take: (bytes: Uint8Array) => void): Promise<void> {
  for await (const bytes of stream) take(bytes);
}
