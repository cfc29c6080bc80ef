/** `rexec factors`: what follows the password when you sign in to a gateway with a browser. */
import { beginTotp, confirmTotp, removeTotp, renewRecoveryCodes, showFactors } from "../client/factors.ts";
import { counted } from "../lib/count.ts";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { isTerminal } from "../lib/is-terminal.ts";
import { printable } from "../lib/printable.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { currentServer, serverArgs } from "./_server.ts";
import { askSecret, secretFromPipe } from "./_stdin.ts";

const ls = withHelp(
  defineCommand({
    meta: { name: "ls", description: "Show your second factor and passkeys", alias: "list" },
    args: { json: { type: "boolean", description: "As a JSON object" }, ...serverArgs },
    async run({ args }) {
      const factors = await showFactors(currentServer(args));
      if (args.json) return writeJson(factors);
      const { totp, recovery_codes_left: left, passkeys } = factors;
      const codes = totp ? `, ${counted(left, "recovery code")} left` : "";
      return writeOut(`authenticator app: ${totp ? "on" : "off"}${codes}\npasskeys: ${passkeys}\n`);
    },
  }),
  { examples: [["rexec factors ls --json", "For a script"]] },
);

const on = withHelp(
  defineCommand({
    meta: { name: "on", description: "Set up an authenticator app, and get recovery codes" },
    args: { ...serverArgs },
    async run({ args }) {
      const server = currentServer(args);
      const { uri, secret } = await beginTotp(server);
      await writeOut(`${await pictureOf(uri)}${printable(uri)}\nsecret: ${printable(secret)}\n`);
      say("Scan this with an authenticator app, or type the secret into it.");
      const codes = await confirmTotp(server, await askCode("Code of the app"));
      await showCodes(codes);
      return 0;
    },
  }),
  {
    examples: [["rexec factors on", "Shows a QR code, and asks for the app's first code"]],
    notes: [
      "From then on a sign-in by password asks for a code of the app. API tokens, login links, passkeys and identity providers do not.",
    ],
  },
);

const codes = withHelp(
  defineCommand({
    meta: { name: "codes", description: "Make new recovery codes; the earlier ones count for nothing" },
    args: { ...serverArgs },
    async run({ args }) {
      await showCodes(await renewRecoveryCodes(currentServer(args), await askCode(ANY_CODE)));
      return 0;
    },
  }),
  { examples: [["rexec factors codes", "Asks for a code of the app"]] },
);

const off = withHelp(
  defineCommand({
    meta: { name: "off", description: "Remove the authenticator app and its recovery codes" },
    args: { ...serverArgs },
    async run({ args }) {
      await removeTotp(currentServer(args), await askCode(ANY_CODE));
      say("the second factor is off");
      return 0;
    },
  }),
  {
    examples: [["rexec factors off", "Asks for a code of the app, or a recovery code"]],
    notes: ["Without either, an administrator can: rexec admin users reset-factors USER"],
  },
);

export const factorsCommand = withHelp(
  defineCommand({
    meta: { name: "factors", description: "Set up a second factor for signing in with a browser" },
    subCommands: { ls, on, codes, off },
  }),
  {
    examples: [["rexec factors on", "Set up an authenticator app"]],
    notes: ["It needs a token with all scopes. Passkeys are added in the browser."],
  },
);

// --- internal ---

const ANY_CODE = "Code of the app, or a recovery code";

/** The QR code in half blocks, drawn here: a server's own lines could say anything. Empty for what is no such address. */
async function pictureOf(uri: string): Promise<string> {
  if (!/^otpauth:\/\/totp\/[\x21-\x7e]{1,1000}$/.test(uri)) return "";
  const { renderUnicodeCompact } = await import("uqr");
  // A terminal is dark or light: a scanner wants light squares that are light.
  const [begin, end] = isTerminal(1) ? ["\x1b[97;40m", "\x1b[0m"] : ["", ""];
  const lines = renderUnicodeCompact(uri, { border: 2 }).split("\n");
  return `${lines.map((line) => `${begin}${line}${end}\n`).join("")}\n`;
}

/** @throws RexecError `no_code` */
async function askCode(question: string): Promise<string> {
  const code = process.stdin.isTTY ? await askSecret(question) : await secretFromPipe("the code");
  if (code !== "") return code;
  throw new RexecError("no code was given", {
    code: "no_code",
    hint: "type the six digits that the app shows; a script gives them on stdin",
    exitCode: ExitCode.usage,
  });
}

async function showCodes(codes: readonly string[]): Promise<void> {
  say("Keep these recovery codes: each stands in for the app once, and they are not shown again.");
  await writeOut(codes.map((code) => `${printable(code)}\n`).join(""));
}
