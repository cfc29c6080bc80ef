/** Opens a page in the browser of a person at a graphical desktop. */

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The command that opens a page; null where no browser is to be expected: without a desktop, over ssh, as root through
 * sudo. BROWSER counts where it is one word, since an editor on another machine sets it so.
 * @param find where a program lies; null for nowhere
 */
export function browserCommand(
  env: Environment,
  find: (name: string) => string | null = (name) => Bun.which(name),
): string | null {
  if (env.SUDO_UID !== undefined) return null;
  const named = env.BROWSER?.trim();
  if (named && !/[\s:%]/.test(named)) return TEXT_BROWSERS.test(named) ? null : find(named);
  if (!env.DISPLAY && !env.WAYLAND_DISPLAY) return null;
  return OPENERS.map((name) => find(name)).find((path) => path !== null) ?? null;
}

/**
 * Opens an http(s) page, and waits for nothing.
 * @returns false where there is no browser
 */
export function openInBrowser(page: string, env: Environment): boolean {
  const isWeb = URL.canParse(page) && /^https?:$/.test(new URL(page).protocol);
  const command = isWeb ? browserCommand(env) : null;
  if (command === null) return false;
  const { REXEC_TOKEN: _, ...without } = env;
  try {
    const child = Bun.spawn([command, new URL(page).href], {
      env: without,
      cwd: "/",
      detached: true,
      stdio: ["ignore", "ignore", "ignore"],
    });
    child.unref();
    return true;
  } catch {
    return false; // the program is there and can't be started: the address is printed anyway
  }
}

// --- internal ---

const OPENERS = ["xdg-open", "wslview"];
/** They would share this terminal. */
const TEXT_BROWSERS = /(^|\/)(www-browser|w3m|lynx|e?links2?)$/;
