/** Why something that an opener of rexec.v2 asked for can't be done; it is told so. */
import type { RefusalCode } from "../../protocol/v2/control.ts";

export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
