/**
 * Stands in for the program image that an agent replaces: `bun earlier-image.ts STATE AGENT start`. It opens a shell on a
 * terminal, gives it to the first session of the stored STATE, and goes over into AGENT, as a restart in place does.
 * STATE is read here without the code of this build, which is to read it afterwards.
 */
import { openSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { openPty } from "../../src/pty/open.ts";
import { closeAllOnExec, replaceProcess } from "../../src/pty/replace-process.ts";

const HEADER_BYTES = 16;
const [, , state = "", path = "", ...args] = process.argv;
const isStart = args.includes("start");
const { fds, fd } = isStart ? handOver(readFileSync(state)) : { fds: [], fd: null };
closeAllOnExec();
replaceProcess({
  path,
  argv: [path, ...args],
  env: { ...process.env, ...(fd !== null && { REXEC_HANDOVER: String(fd) }) },
  keep: [...fds, ...(fd === null ? [] : [fd])],
});

/** The state, with this process and a shell of it in the place of those that it was stored with. */
function handOver(stored: Buffer): { fds: number[]; fd: number } {
  const bodyAt = HEADER_BYTES + stored.readUInt32LE(8);
  const blobsAt = bodyAt + stored.readUInt32LE(12);
  const about = JSON.parse(stored.toString("utf8", HEADER_BYTES, bodyAt));
  const body = JSON.parse(stored.toString("utf8", bodyAt, blobsAt));
  const { cols, rows } = body.sessions.sessions[0];
  const env = { PS1: "$ ", PATH: process.env.PATH ?? "", HISTFILE: "/dev/null" };
  const shell = openPty({ file: "/bin/bash", args: ["--norc", "-i"], env, cwd: "/", cols, rows });
  const { unwritten: _, unread: __, ...pty } = shell.state();
  Object.assign(body.sessions.sessions[0].pty, pty);
  const fds = pty.fd === null ? [] : [pty.fd];
  Object.assign(about, { pid: process.pid, leaders: [{ pid: pty.pid, start: pty.start }], fds });
  const parts = [about, body].map((part) => Buffer.from(JSON.stringify(part)));
  const header = Buffer.from(stored.subarray(0, HEADER_BYTES));
  for (const [index, { length }] of parts.entries()) header.writeUInt32LE(length, 8 + 4 * index);
  const file = `${state}.${process.pid}`;
  writeFileSync(file, Buffer.concat([header, ...parts, stored.subarray(blobsAt)]));
  const fd = openSync(file, "r");
  unlinkSync(file);
  return { fds, fd };
}
