/** What `rexec serve` says once it is ready: how to log in and how to add a machine. */
import { insecureWords, installLines } from "../lib/install-lines.ts";
import { printable } from "../lib/printable.ts";
import { quoteWord } from "../lib/quote.ts";

/**
 * The first start at a terminal: the one place where the secrets themselves are shown.
 * @param url how agents and people reach the gateway
 * @param link address that signs the administrator in
 * @param data folder of the gateway, where the commands that work on it have to be told; else null
 */
export function welcome(url: string, token: string, link: string, data: string | null = null): string {
  return `
Gateway ready at ${url}

Sign in with a browser. This link works once, for 10 minutes; this makes another one: ${onData("admin login-link", data)}

  ${link}

This is the administrator's token, for the command line. It is shown this once: keep it, and put it on no other machine.

  ${token}

Log in, here or on your own machine:

  ${insecureWords(url)}REXEC_TOKEN=${token} ${programName()} login --host ${quoteWord(url)}

${addMachine(url)}
`;
}

/** The first start as a service, or into a pipe: what is printed ends up in a journal, so the secrets are in files. */
export function welcomeWithFile(
  url: string,
  path: string,
  linkPath?: string,
  data: string | null = null,
): string {
  const shown = printable(path);
  const file = shown === path ? quoteWord(path) : "FILE";
  const link = linkPath === undefined ? "" : LINK_IN_FILE(printable(linkPath), data);
  return `
Gateway ready at ${url}

The administrator's token is in ${shown}, which its owner alone can read.
Keep it elsewhere, and remove the file.
${link}
Log in, here:

  ${insecureWords(url)}${programName()} login --host ${quoteWord(url)} < ${file}

${addMachine(url)}
`;
}

/** Every later start. */
export function greeting(url: string, data: string | null = null): string {
  return `
Gateway ready at ${url}

Add a machine:  ${programName()} join create (prints the line to paste there)
Sign in:        ${url}/sign-in
No password:    ${onData("admin login-link", data)}
Lost the token: ${onData("serve --new-admin-token", data)}

`;
}

// --- internal ---

const LINK_IN_FILE = (path: string, data: string | null) => `
A link that signs the administrator in with a browser is in ${path}.
It works once, for 10 minutes; this makes another one: ${onData("admin login-link", data)}
`;

/** A machine gets a token that registers it and does nothing else. */
function addMachine(url: string): string {
  const lines = installLines(url, "rexec_join_…");
  return `Add a machine: make a join token, which registers one machine and does nothing else.

  ${programName()} join create

It prints this line with the token in it, for that machine (installs the agent, registers it, and starts it as a service):

  ${lines.curl}

For the whole machine, through sudo:

  ${lines.sudo}

Or, where rexec-agent is there already:

  ${lines.register}
  ${insecureWords(url)}rexec-agent start
`;
}

/** A command that works on the data folder, so that it can be pasted. */
function onData(command: string, data: string | null): string {
  if (data === null) return `${programName()} ${command}`;
  // No shell would read the escape of such a name back.
  const folder = printable(data) === data ? quoteWord(data) : "DIR";
  return `${programName()} ${command} --data ${folder}`;
}

/** How to call this program here: by name where the PATH finds this very file. */
function programName(): string {
  if (!Bun.isStandaloneExecutable || Bun.which("rexec") === process.execPath) return "rexec";
  // A folder's name may hold what acts on a terminal, and no shell would read its escape back.
  if (printable(process.execPath) !== process.execPath) return "rexec";
  return quoteWord(process.execPath);
}
