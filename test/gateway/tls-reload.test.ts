import { afterAll, describe, expect } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { readTlsPair } from "../../src/gateway/tls/tls-pair.ts";
import { keepSocket, listenOn } from "../../src/pty/listening-socket.ts";
import { startGateway } from "../support/gateway.ts";
import { lacks, testUnless } from "../support/needs.ts";
import { settled, until, within } from "../support/wait.ts";

const folder = mkdtempSync(join(tmpdir(), "rexec-tls-"));
afterAll(() => rmSync(folder, { recursive: true }));
const testTls = testUnless(lacks("openssl"));
const timings = { tlsSettleMs: 20, tlsPollMs: 60_000 };

/** A certificate and its key in files of that name. */
function make(name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const made = Bun.spawnSync([
    ..."openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split(" "),
    ...["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`],
    ...["-keyout", key, "-out", cert],
  ]);
  if (!made.success) throw new Error(made.stderr.toString());
  return { cert, key };
}

/** A folder with a pair under the names that the gateway is given. */
function place(pair: { cert: string; key: string }) {
  const dir = mkdtempSync(join(folder, "live-"));
  const files = { cert: join(dir, "cert.pem"), key: join(dir, "key.pem") };
  copyFileSync(pair.cert, files.cert);
  copyFileSync(pair.key, files.key);
  return { dir, files };
}

/** The name in the certificate of a new connection. */
async function nameAt(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  socket.once("error", reject);
  socket.once("secureConnect", () => resolve(String(socket.getPeerCertificate().subject.CN)));
  try {
    return await within(promise, 5_000, "the handshake");
  } finally {
    socket.destroy();
  }
}

const insecure = { tls: { rejectUnauthorized: false } };
const sockets = { listenOn, keepSocket };

describe("a renewed certificate", () => {
  testTls("is given to new connections, while an open socket and a request stay", async () => {
    const { files } = place(make("one"));
    await using gateway = await startGateway({ tls: files, timings, sockets });
    expect(await nameAt(gateway.url)).toBe("one");
    const headers = { Authorization: `Bearer ${gateway.token}` };
    const feed = new WebSocket(`${gateway.url.replace("https", "wss")}/api/containers/events`, {
      headers,
      ...insecure,
    });
    let events = 0;
    let closed = false;
    feed.onmessage = () => {
      events += 1;
    };
    feed.onclose = () => {
      closed = true;
    };
    await until(() => events > 0, 5_000, "the first list");

    const two = make("two");
    copyFileSync(two.cert, files.cert);
    copyFileSync(two.key, files.key);
    await until(
      () => gateway.log.some((line) => line.includes("new connections get the new certificate: DNS:two")),
      5_000,
      "the word",
    );
    expect(await nameAt(gateway.url)).toBe("two");
    // The socket of before goes on, and learns of what comes by the new one.
    const before = events;
    await fetch(`${gateway.url}/api/agents/register`, {
      method: "POST",
      headers,
      body: JSON.stringify({ name: "box", os: "linux", arch: "amd64" }),
      ...insecure,
    });
    await until(() => events > before, 5_000, "a change of the list");
    expect(closed).toBe(false);
    feed.close();
    expect(gateway.log.filter((line) => line.startsWith("error"))).toEqual([]);
  });

  testTls("comes by links that are switched, as certbot and Kubernetes do", async () => {
    const dir = mkdtempSync(join(folder, "links-"));
    const versions = ["one", "two"].map((name) => {
      const pair = make(name);
      const version = join(dir, `..${name}`);
      mkdirSync(version);
      copyFileSync(pair.cert, join(version, "tls.crt"));
      copyFileSync(pair.key, join(version, "tls.key"));
      return version;
    });
    symlinkSync(versions[0] ?? "", join(dir, "..data"));
    for (const file of ["tls.crt", "tls.key"]) symlinkSync(`..data/${file}`, join(dir, file));
    const files = { cert: join(dir, "tls.crt"), key: join(dir, "tls.key") };
    await using gateway = await startGateway({ tls: files, timings, sockets });
    symlinkSync(versions[1] ?? "", join(dir, "..new"));
    renameSync(join(dir, "..new"), join(dir, "..data"));
    await until(() => gateway.log.some((line) => line.includes("DNS:two")), 5_000, "the word");
    expect(await nameAt(gateway.url)).toBe("two");
  });

  testTls("that is half there leaves the one of before, with one error, until the rest comes", async () => {
    const { files } = place(make("one"));
    await using gateway = await startGateway({
      tls: files,
      timings: { tlsSettleMs: 10, tlsPollMs: 20 },
      sockets,
    });
    const errors = () => gateway.log.filter((line) => line.startsWith("error"));
    const two = make("two");
    copyFileSync(two.cert, files.cert);
    await until(() => errors().length > 0, 5_000, "the error");
    // Further looks, 20 ms apart, say nothing new.
    await settled(() => errors().length, 5_000, "no further error");
    expect(errors()).toEqual([
      expect.stringContaining(
        `${files.key} is not the private key of ${files.cert}. The certificate of before stays in use (DNS:one, valid`,
      ),
    ]);
    expect(await nameAt(gateway.url)).toBe("one");
    copyFileSync(two.key, files.key);
    await until(() => gateway.log.some((line) => line.includes("DNS:two")), 5_000, "the word");
    expect(await nameAt(gateway.url)).toBe("two");
  });

  testTls(
    "that is none, gone or unreadable leaves the one of before, and nothing of a key is logged",
    async () => {
      const { files } = place(make("one"));
      await using gateway = await startGateway({ tls: files, timings, sockets });
      const secret = await Bun.file(files.key).text();
      for (const [file, content, said] of [
        [files.cert, "junk", "holds no certificate in PEM"],
        [files.cert, "x".repeat(1024 * 1024 + 1), "more than 1048576 bytes"],
        [files.cert, null, "ENOENT"],
      ] as const) {
        if (content === null) rmSync(file);
        else writeFileSync(file, content);
        gateway.gateway.reloadTls();
        expect(gateway.log.at(-1)).toContain(said);
        expect(await nameAt(gateway.url)).toBe("one");
      }
      expect(gateway.log.join("\n")).not.toContain(secret.slice(40, 80));
    },
  );

  testTls("is found by looking alone, where a watch sees nothing", async () => {
    const { files } = place(make("one"));
    const blind = { tlsSettleMs: 600_000, tlsPollMs: 20 };
    await using gateway = await startGateway({ tls: files, timings: blind, sockets });
    const two = make("two");
    copyFileSync(two.cert, files.cert);
    copyFileSync(two.key, files.key);
    await until(() => gateway.log.some((line) => line.includes("DNS:two")), 5_000, "the word");
    expect(await nameAt(gateway.url)).toBe("two");
  });

  testTls("is looked for when asked, and the answer says that there is none", async () => {
    const { files } = place(make("one"));
    const lazy = { tlsSettleMs: 600_000, tlsPollMs: 600_000 };
    await using gateway = await startGateway({ tls: files, timings: lazy, sockets });
    gateway.gateway.reloadTls();
    expect(gateway.log.at(-1)).toContain("have not changed");
    const two = make("two");
    copyFileSync(two.cert, files.cert);
    copyFileSync(two.key, files.key);
    gateway.gateway.reloadTls();
    expect(await nameAt(gateway.url)).toBe("two");
  });

  testTls(
    "refuses no connection in the moment of the change, however often it comes",
    async () => {
      const pairs = [make("one"), make("two")];
      const { files } = place(pairs[0] ?? make("one"));
      const lazy = { tlsSettleMs: 600_000, tlsPollMs: 600_000 };
      await using gateway = await startGateway({ tls: files, timings: lazy, sockets });
      let stop = false;
      const names: string[] = [];
      const client = async () => {
        while (!stop) names.push(await nameAt(gateway.url));
      };
      const open = () => readdirSync("/proc/self/fd").length;
      const before = open();
      const clients = Array.from({ length: 8 }, client);
      for (let round = 1; round <= 20; round += 1) {
        const pair = pairs[round % 2];
        if (!pair) break;
        copyFileSync(pair.cert, files.cert);
        copyFileSync(pair.key, files.key);
        const seen = names.length;
        gateway.gateway.reloadTls();
        await until(() => names.length > seen + 16, 5_000, "connections of this round");
      }
      stop = true;
      await Promise.all(clients);
      expect(new Set(names)).toEqual(new Set(["one", "two"]));
      // No descriptor of a former server stays.
      await until(
        () => open() <= before,
        5_000,
        () => `${open()} descriptors to be ${before} again`,
      );
    },
    60_000,
  );
});

testTls(
  "a certificate with the key of another one is refused at the start; one that has expired is warned of",
  async () => {
    const [one, two] = [make("one"), make("two")];
    await expect(startGateway({ tls: { cert: one.cert, key: two.key } })).rejects.toMatchObject({
      code: "bad_tls",
    });
    await expect(startGateway({ tls: { cert: one.key, key: two.key } })).rejects.toThrow(
      "holds no certificate in PEM",
    );
    await expect(startGateway({ tls: { cert: one.cert, key: two.cert } })).rejects.toThrow(
      "no private key in PEM",
    );
    const day = 24 * 60 * 60 * 1_000;
    expect(readTlsPair(one).warning).toBe(null);
    expect(readTlsPair(one, Date.now() + 31 * day).warning).toContain("has expired");
    expect(readTlsPair(one, Date.now() - day).warning).toContain("is not valid before");
    const old = make("old");
    await using gateway = await startGateway({ tls: old });
    // Without the tools a new certificate takes a restart, which is said.
    copyFileSync(two.cert, old.cert);
    copyFileSync(two.key, old.key);
    gateway.gateway.reloadTls();
    expect(gateway.log.at(-1)).toContain("cannot hand a socket");
    expect(await nameAt(gateway.url)).toBe("old");
  },
);
