import { loginLinkUrl, newLoginLink } from "../../gateway/first-start.ts";
import { knownUrl } from "../../gateway/known-url.ts";
import { RexecError, UsageError } from "../../lib/errors.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { dataArgs, dataFolder } from "./_data.ts";

export const loginLinkCommand = withHelp(
  defineCommand({
    meta: { name: "login-link", description: "Make a link that signs a user in once" },
    args: {
      user: {
        type: "positional",
        required: false,
        valueHint: "USER",
        description: "User name or id (default: the first administrator)",
      },
      url: {
        type: "string",
        valueHint: "URL",
        description: "How the user reaches the gateway (default: the address that it said at its start)",
      },
      json: { type: "boolean", description: "As a JSON object" },
      ...dataArgs,
    },
    async run({ args }) {
      const folder = dataFolder(args);
      const base = args.url === undefined ? knownUrl(folder) : givenUrl(args.url);
      if (base === null) {
        throw new RexecError(`the address of the gateway on ${folder} is not known`, {
          code: "no_url",
          hint: "start it once with this version, or name its address with --url",
        });
      }
      const { secret, username, expires_at } = await newLoginLink(folder, args.user);
      const url = loginLinkUrl(base, secret);
      if (args.json) return writeJson({ url, username, expires_at });
      say(`signs ${username} in, once, until ${expires_at}`);
      return writeOut(`${url}\n`);
    },
  }),
  {
    examples: [
      ["rexec admin login-link", "For the administrator who has no password, or has forgotten it"],
      ["rexec admin login-link ada", "For another user"],
    ],
    notes: [
      "Works on the data folder, also while the gateway runs. Older links of the same user count no more. The link signs in " +
        "without a second factor: give it to its user alone.",
    ],
  },
);

// --- internal ---

/** @throws UsageError */
function givenUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username) {
    return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
  }
  throw new UsageError(`--url cannot be "${text}"`, "give the whole address: https://rexec.example.com");
}
