/** Fetches one large file, from where an earlier attempt stopped. */
import { closeSync, fstatSync, ftruncateSync, rmSync, writeSync } from "node:fs";
import { backoffDelay } from "../../lib/backoff.ts";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";
import { connectionError } from "../../lib/http.ts";
import { dialOptions, type Endpoint, httpUrl } from "../../lib/net.ts";
import { APPENDING, openOwn } from "../trust/own-file.ts";

/** What is fetched, and where to. */
export interface DownloadOptions {
  endpoint: Endpoint;
  /** Below the server's address. */
  path: string;
  /** Where it is gathered; what is there already is the beginning of it. */
  target: string;
  /** Told how many bytes are there, of how many (null where the server does not say). */
  onProgress?(done: number, total: number | null): void;
  signal?: AbortSignal | undefined;
  times?: DownloadTimes;
}

/** When a download is given up. */
export interface DownloadTimes {
  /** Silence after which a connection is given up, ms. */
  stallMs: number;
  /** Attempts in a row that bring nothing, before it is given up. */
  attempts: number;
  /** Ceilings of the pauses between them, ms. */
  baseMs: number;
  capMs: number;
}

const TIMES: DownloadTimes = { stallMs: 30_000, attempts: 5, baseMs: 500, capMs: 10_000 };
/** An executable has 110 MB; what goes on past this is none. */
const MOST_BYTES = 1024 ** 3;

/**
 * Resolves when all of it is in `target`; whether it is the right file is not looked at.
 * @throws RexecError `unreachable`, `timeout`, `download_failed`; the system's error where the file cannot be written
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { target, signal, times = TIMES } = options;
  const fd = openOwn(target, APPENDING);
  try {
    for (let failures = 0; ; ) {
      const before = fstatSync(fd).size;
      const failure = await attempt(options, fd, times);
      if (failure === null) return;
      signal?.throwIfAborted();
      failures = fstatSync(fd).size > before ? 1 : failures + 1;
      if (!failure.again || failures >= times.attempts) throw failure.error;
      await Bun.sleep(backoffDelay({ ...times, healthyAfterMs: 0 }, failures));
    }
  } catch (error) {
    // What filled the disk is in everybody's way.
    if (isDisk(error)) discard(target);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Takes a download away that is not the file it should be. */
export function discard(target: string): void {
  rmSync(target, { force: true });
}

// --- internal ---

interface Failure {
  error: unknown;
  /** Another attempt may do better. */
  again: boolean;
}

async function attempt(options: DownloadOptions, fd: number, times: DownloadTimes): Promise<Failure | null> {
  const { endpoint, path, onProgress, signal } = options;
  const url = httpUrl(endpoint, path);
  const dial = dialOptions(endpoint, url);
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), times.stallMs);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), times.stallMs);
  };
  try {
    let done = fstatSync(fd).size;
    const response = await fetch(url, {
      headers: {
        // As it lies on the server: a packed file must not be unpacked on the way.
        "accept-encoding": "identity",
        ...(done > 0 ? { range: `bytes=${done}-` } : {}),
      },
      signal: signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal,
      proxy: dial.proxy ? { url: dial.proxy, respectNoProxy: false } : false,
      ...(dial.tls ? { tls: dial.tls } : {}),
    });
    // Nothing follows what is there: it is whole, or of no use, which the sum tells.
    if (response.status === 416) return null;
    if (response.status !== 200 && response.status !== 206) return refused(response.status, url);
    if (response.status === 200 && done > 0) {
      ftruncateSync(fd);
      done = 0;
    }
    if (!response.body) return refused(response.status, url);
    const total = totalOf(response, done);
    onProgress?.(done, total);
    for await (const chunk of response.body) {
      alive();
      writeAll(fd, chunk);
      done += chunk.length;
      if (done > MOST_BYTES) return refused(response.status, url);
      onProgress?.(done, total);
    }
    if (total === null || done >= total) return null;
    return { error: broken(url, `it ended at ${done} of ${total} bytes`), again: true };
  } catch (error) {
    if (isDisk(error)) throw error;
    if (stalled.signal.aborted)
      return { error: broken(url, `nothing came for ${times.stallMs / 1000} s`), again: true };
    return { error: connectionError(error, url, dial.proxy), again: true };
  } finally {
    clearTimeout(timer);
  }
}

function refused(status: number, url: URL): Failure {
  return { error: broken(url, `the server answered ${status}`), again: status >= 500 || status === 429 };
}

function broken(url: URL, why: string): RexecError {
  return new RexecError(`cannot download ${url.href}: ${why}`, {
    code: "download_failed",
    hint: "run it again: it goes on where it stopped",
  });
}

/** Of a range, the length of the whole stands behind the slash. */
function totalOf(response: Response, done: number): number | null {
  const whole = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (whole) return Number(whole);
  const length = response.headers.get("content-length");
  return length && !response.headers.get("content-encoding") ? done + Number(length) : null;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}

function isDisk(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EIO", "EFBIG", "EROFS"].includes(errnoOf(error) ?? messageOf(error));
}
