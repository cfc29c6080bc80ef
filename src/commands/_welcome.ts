/** What `rexec serve` says once it is ready: how to log in and how to add a machine. */
import { printable } from "../lib/printable.ts";
import { bareHost, isLoopback } from "../lib/proxy.ts";
import { quoteWord } from "../lib/quote.ts";

/**
 * The first start at a terminal: the one place where the secrets themselves are shown.
 * @param url how agents and people reach the gateway
 * @param link address that signs the administrator in
 */
export function welcome(url: string, token: string, link: string): string {
  const words = wordsFor(url);
  return `
Gateway ready at ${url}

Sign in with a browser. This link works once, for 10 minutes; ${programName()} admin login-link makes another one:

  ${link}

This is the administrator's token, for the command line. It is shown this once: keep it.

  ${token}

Log in, here or on your own machine:

  ${words.insecure}REXEC_TOKEN=${token} ${programName()} login --host ${words.host}

Add a machine, on that machine (installs the agent, registers it, and starts it as a service):

  ${words.install} | ${words.insecure}REXEC_TOKEN=${token} sh

${sudoForm(words, token)}

Or, where rexec-agent is there already:

  ${words.insecure}REXEC_TOKEN=${token} rexec-agent register --host ${words.host}
  ${words.insecure}rexec-agent start

`;
}

/** The first start as a service, or into a pipe: what is printed ends up in a journal, so the secrets are in files. */
export function welcomeWithFile(url: string, path: string, linkPath?: string): string {
  const words = wordsFor(url);
  const shown = printable(path);
  const file = shown === path ? quoteWord(path) : "FILE";
  const link = linkPath === undefined ? "" : LINK_IN_FILE(printable(linkPath));
  return `
Gateway ready at ${url}

The administrator's token is in ${shown}, which its owner alone can read.
Keep it elsewhere, and remove the file.
${link}
Log in, here:

  ${words.insecure}${programName()} login --host ${words.host} < ${file}

Add a machine, on that machine (installs the agent, registers it, and starts it as a service):

  ${words.install} | ${words.insecure}REXEC_TOKEN=rexec_… sh

${sudoForm(words, "rexec_…")}

Or, where rexec-agent is there already:

  ${words.insecure}rexec-agent register --host ${words.host}
  ${words.insecure}rexec-agent start

`;
}

/** Every later start. */
export function greeting(url: string): string {
  const { install } = wordsFor(url);
  return `
Gateway ready at ${url}

Add a machine:  ${install} | REXEC_TOKEN=… sh
As root:        ${install} | REXEC_TOKEN=… sudo --preserve-env=REXEC_TOKEN sh
Sign in:        ${url}/sign-in
No password:    ${programName()} admin login-link (with the same --data)
Lost the token: ${programName()} serve --new-admin-token (with the same --data)

`;
}

// --- internal ---

const LINK_IN_FILE = (path: string) => `
A link that signs the administrator in with a browser is in ${path}.
It works once, for 10 minutes; ${programName()} admin login-link makes another one.
`;

interface Words {
  host: string;
  install: string;
  insecure: string;
}

function wordsFor(url: string): Words {
  return {
    host: quoteWord(url),
    install: `curl -fsSL ${quoteWord(`${url}/install-agent.sh`)}`,
    insecure: mayBeRead(url) ? "REXEC_INSECURE=1 " : "",
  };
}

/** sudo drops the environment: what is to reach the installer is named. */
function sudoForm({ install, insecure }: Words, token: string): string {
  const kept = insecure ? "REXEC_TOKEN,REXEC_INSECURE" : "REXEC_TOKEN";
  return `For the whole machine, through sudo:

  ${install} | ${insecure}REXEC_TOKEN=${token} sudo --preserve-env=${kept} sh`;
}

/** How to call this program here: by name where the PATH finds this very file. */
function programName(): string {
  if (!Bun.isStandaloneExecutable || Bun.which("rexec") === process.execPath) return "rexec";
  // A folder's name may hold what acts on a terminal, and no shell would read its escape back.
  if (printable(process.execPath) !== process.execPath) return "rexec";
  return quoteWord(process.execPath);
}

/** Plain http over a network, which the agent and the CLI refuse unless they are told. */
function mayBeRead(url: string): boolean {
  const { protocol } = new URL(url);
  return protocol === "http:" && !isLoopback(bareHost(new URL(url)));
}
