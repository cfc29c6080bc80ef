/** Signed releases of this machine's agent, for the gateway of a test to hand out. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildTarget, nativeArch, writeSums } from "../../build.ts";
import { trustedComment } from "../../scripts/release.ts";
import { newKeyPair, readSigningKey, signFile } from "../../scripts/signing.ts";

const { secretText, publicText } = newKeyPair();
const key = readSigningKey(secretText);
const publicKey = publicText.trim().split("\n").at(-1) ?? "";

/** Replaces what is in the folder by a version, unpacked, built from `entry`. */
export async function release(folder: string, version: string, entry = "src/rexec-agent.ts"): Promise<void> {
  const arch = nativeArch();
  const file = `rexec-agent-linux-${arch}`;
  const target = { file, program: { name: "rexec-agent", entry }, arch };
  await buildTarget(target, folder, { version, commit: "test", publicKey });
  writeSums(folder);
  const text = signFile(readFileSync(join(folder, file)), key, trustedComment(file, version, 0));
  writeFileSync(join(folder, `${file}.minisig`), text);
}
