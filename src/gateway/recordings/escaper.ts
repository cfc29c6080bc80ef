/** Terminal output as the inside of a JSON string, at a quarter of a second of CPU a GB: `JSON.stringify` takes four times that. */
import { ESCAPE_WASM } from "./escape-wasm.ts";

/** Most bytes of one call. */
export const ESCAPED_BYTES = 32 * 1024;
/** Most bytes that they become: a control character takes six. The code writes up to 16 further ones. */
export const MOST_ESCAPED = ESCAPED_BYTES * 6;

/** The result of a call. Bytes. */
export interface Escaped {
  /** Valid until the next call. */
  readonly json: Uint8Array;
  /** Less than was given where the input ends within a character. */
  readonly taken: number;
}

/** Where input and output are in the module's memory; its own tables are before them. */
const INPUT_AT = 1024;
const OUTPUT_AT = INPUT_AT + ESCAPED_BYTES + 64;

/** `escape.wat` and its memory. Owned by the process: it keeps nothing between two calls. */
export class Escaper {
  readonly #memory: Uint8Array;
  readonly #escape: (from: number, length: number, to: number, last: number) => number;
  readonly #taken: { readonly value: unknown };

  constructor() {
    const module = new WebAssembly.Module(Buffer.from(ESCAPE_WASM, "base64"));
    const { memory, escape: run, taken } = new WebAssembly.Instance(module).exports;
    if (!(memory instanceof WebAssembly.Memory) || !(taken instanceof WebAssembly.Global))
      throw new Error("the escaper exports no memory");
    if (typeof run !== "function") throw new Error("the escaper exports no function");
    this.#memory = new Uint8Array(memory.buffer);
    this.#escape = (...numbers) => Number(run(...numbers));
    this.#taken = taken;
  }

  /**
   * @param bytes `ESCAPED_BYTES` at most; what is not UTF-8 becomes U+FFFD, as a terminal shows it
   * @param last no more follows: what is open at the end is not left for the next call
   */
  escape(bytes: Uint8Array, last: boolean): Escaped {
    if (bytes.length > ESCAPED_BYTES) throw new RangeError(`${bytes.length} bytes to be escaped`);
    this.#memory.set(bytes, INPUT_AT);
    const length = this.#escape(INPUT_AT, bytes.length, OUTPUT_AT, last ? 1 : 0);
    return {
      json: this.#memory.subarray(OUTPUT_AT, OUTPUT_AT + length),
      taken: Number(this.#taken.value),
    };
  }
}
