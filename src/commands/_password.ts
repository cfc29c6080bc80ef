/** Passwords as people give them: unseen at the terminal, or on stdin. */
import { RexecError } from "../lib/errors.ts";
import { askSecret, secretFromPipe } from "./_stdin.ts";

/** A new password: asked for twice at the terminal, else the first line of stdin. @throws RexecError `bad_password` */
export async function newPassword(whose: string): Promise<string> {
  if (!process.stdin.isTTY) return given(await secretFromPipe("the new password"));
  const first = given(await askSecret(`New password ${whose}`));
  if ((await askSecret("Once more")) === first) return first;
  throw new RexecError("the two passwords differ", { code: "bad_password", hint: "type the same one twice" });
}

// --- internal ---

function given(password: string): string {
  if (password) return password;
  throw new RexecError("no password given", {
    code: "bad_password",
    hint: "type it when asked, or pipe it in",
  });
}
