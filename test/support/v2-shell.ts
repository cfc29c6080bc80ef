/** A shell of a scripted gateway: it writes what the test writes, and keeps a hash of what it was typed. */
import { V2Session } from "./v2-session.ts";

export class V2Shell extends V2Session {
  readonly kind = "shell";
  readonly command = "/bin/bash -l";
  inputBytes = 0;
  readonly inputHash = new Bun.CryptoHasher("sha256");
  /** The last of it, as text. */
  typed = "";
  onInput: ((bytes: Uint8Array) => void) | null = null;

  constructor(session: string, capacity = 64 * 1024 * 1024) {
    super(session, capacity);
  }

  input(bytes: Uint8Array): void {
    this.inputBytes += bytes.length;
    this.inputHash.update(bytes);
    this.typed = (this.typed + Buffer.from(bytes).toString("latin1")).slice(-4096);
    this.onInput?.(bytes);
  }

  inputEnded(): void {}

  kill(): void {
    this.finish({ exit_code: null, signal: "SIGHUP" });
  }
}
