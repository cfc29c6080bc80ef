import { hasPassword, setOwnPassword } from "../client/users.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { newPassword } from "./_password.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { askSecret, linesFromPipe } from "./_stdin.ts";

export const passwdCommand = withHelp(
  defineCommand({
    meta: { name: "passwd", description: "Set your own password at a gateway" },
    args: { ...serverArgs },
    async run({ args }) {
      const server = currentServer(args);
      const isAsked = await hasPassword(server);
      await setOwnPassword(server, process.stdin.isTTY ? await typed(isAsked) : await piped(isAsked));
      say("password set; your sessions in browsers are ended");
    },
  }),
  {
    examples: [["rexec passwd", "Asks for the current password, then for the new one"]],
    notes: [
      "The password is for signing in with a browser. It needs a token with all scopes. On stdin, give the current password (if " +
        "the account has one) and the new one, a line each.",
    ],
  },
);

// --- internal ---

async function typed(isAsked: boolean) {
  const current = isAsked ? await askSecret("Current password") : undefined;
  return { current, password: await newPassword("for your account") };
}

async function piped(isAsked: boolean) {
  const lines = await linesFromPipe(isAsked ? "the current and the new password" : "the new password");
  const [current, password] = isAsked ? lines : [undefined, lines[0]];
  return { current, password: password ?? "" };
}
