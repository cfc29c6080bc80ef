/**
 * What of a CI job's environment its shells do not get. A person who debugs a build wants the build's environment, so all
 * goes through but what looks like a secret: a list of what may pass would be wrong for every build but one's own.
 * This keeps secrets off screens, recordings and `env` in a support thread. It is no wall: a person with a shell of the
 * account can read what its other processes were started with.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** An environment without what looks like a secret. */
export interface Sifted {
  /** What shells get. */
  env: Record<string, string>;
  /** Names of what they do not get. */
  withheld: string[];
}

/**
 * @param everything `--keep-env`: hold nothing back
 * @param passed names that go through whatever they look like
 */
export function siftEnvironment(
  env: Environment,
  everything = false,
  passed: readonly string[] = [],
): Sifted {
  const all = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (everything) return { env: Object.fromEntries(all), withheld: [] };
  const pass = new Set(passed);
  const secrets = all.filter(([name, value]) => looksSecret(name, value)).map(([, value]) => value);
  // The same secret under a second name that says nothing, or inside of a longer value.
  const telling = secrets.filter((value) => TELLING.test(value));
  const isSecret = ([name, value]: [string, string]) =>
    !pass.has(name) &&
    (looksSecret(name, value) || (!ESSENTIAL.has(name) && telling.some((secret) => value.includes(secret))));
  return {
    env: Object.fromEntries(all.filter((entry) => !isSecret(entry))),
    withheld: all
      .filter(isSecret)
      .map(([name]) => name)
      .sort(),
  };
}

// --- internal ---

/** Shells are of little use without these. */
const ESSENTIAL: ReadonlySet<string> = new Set(["PATH", "HOME", "PWD", "OLDPWD", "SHELL", "USER", "TMPDIR"]);

/** Anywhere in a name, or as a word of it. `KEY` as the end of one: not KEYBOARD, but APIKEY and AWS_ACCESS_KEY_ID. */
const SECRET_NAME =
  /TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PRIVATE|KEYS?(?:$|[_\d])|(?:^|_)(?:PASS|PWD|PW|PAT|AUTH|JWT|DSN|COOKIE|WEBHOOK)(?:$|[_\d])/i;

/**
 * The marks of well-known kinds of tokens, as their makers publish them for scanners (GitHub, GitLab, Slack, AWS, npm,
 * Google, OpenAI and the like, our own); a JWT; a private key; an address with a password in it.
 */
const SECRET_VALUE =
  /\b(?:gh[pousr]_\w{20}|github_pat_\w{20}|gl[a-z]{2,5}-[\w-]{16}|xox[a-z]-\w|A(?:KIA|SIA)[0-9A-Z]{16}\b|npm_\w{30}|AIza[\w-]{30}|sk-[\w-]{20}|rexec_(?:[a-z]+_)?[0-9a-f]{16}|eyJ[\w-]{8,}\.[\w-]+\.)|-----BEGIN [A-Z ]*PRIVATE KEY|:\/\/[^\s/:@]*:[^\s/@]+@/;

/** A value that means nothing but itself: no path, no plain word, not short. */
const TELLING = /^(?=.*\d)(?=.*[a-z])[^\s/]\S{11,}$/i;

function looksSecret(name: string, value: string): boolean {
  if (value === "" || ESSENTIAL.has(name)) return false;
  return SECRET_NAME.test(name) || SECRET_VALUE.test(value);
}
