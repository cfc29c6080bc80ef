/** Why something that an opener of rexec.v2 asked for can't be done; it is told so. */
import type { RefusalCode } from "../../protocol/v2/control.ts";

/** Thrown where a request of an opener can't be met; sent to it as `refused`. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
