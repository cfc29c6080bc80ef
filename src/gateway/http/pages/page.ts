/** The frame of the gateway's own pages: plain HTML with one style sheet, which works without JavaScript. */
import { createHash } from "node:crypto";
import { Html, html } from "./html.ts";

/** What a page consists of. */
export interface Page {
  /** Shown by the browser as `TITLE · Rexec`. */
  title: string;
  body: Html;
  /** Default 200. */
  status?: number | undefined;
  /** Headers beside those of every page. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Name of a script beside the page; default none. */
  script?: string | undefined;
}

/** The whole answer. Addresses in pages are relative, so that they hold behind a proxy with a path prefix. */
export function renderPage({ title, body, status = 200, headers, script }: Page): Response {
  const page = html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Rexec</title>
<style>${new Html(STYLE)}</style>
${script === undefined ? "" : html`<script src="${script}" defer></script>`}
<main>
${body}
</main>
</html>
`;
  return new Response(page.text, {
    status,
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": policy(script !== undefined),
      "Cache-Control": "no-store",
      ...headers,
    },
  });
}

/** Sends the browser on to another page, whatever its method was. @param to relative */
export function goTo(to: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(null, {
    status: 303,
    headers: { Location: to, "Cache-Control": "no-store", ...headers },
  });
}

// --- internal ---

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --warn: light-dark(#a11, #f88); --accent: light-dark(#0550ae, #79b8ff); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 44rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.15rem; margin-top: 2rem; }
a { color: var(--accent); }
pre { border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; padding: .75rem 1rem; }
form.fields { max-width: 24rem; }
label { display: block; font-weight: 600; margin-top: 1rem; }
label.check { font-weight: 400; }
input:not([type=checkbox]) { border: 1px solid var(--line); border-radius: 6px; box-sizing: border-box; font: inherit; padding: .5rem .6rem; width: 100%; }
button { border: 1px solid var(--line); border-radius: 6px; cursor: pointer; font: inherit; padding: .45rem 1rem; }
form.fields button { margin-top: 1.25rem; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.hint { font-size: .9rem; margin: .25rem 0 0; opacity: .8; }
.error { border-left: 4px solid var(--warn); color: var(--warn); padding: .1rem .75rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .6rem .4rem 0; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
`;

const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

/** No inline script, no picture, no frame; forms go to this gateway alone. */
function policy(withScript: boolean): string {
  return [
    "default-src 'none'",
    `style-src 'sha256-${STYLE_HASH}'`,
    ...(withScript ? ["script-src 'self'", "connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}
