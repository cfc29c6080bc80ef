/** HTML from templates: every value is escaped, unless it is HTML already. */

/** A piece of HTML that is safe to put into a page as it is. */
export class Html {
  readonly text: string;

  /** @param text trusted: made by this program alone */
  constructor(text: string) {
    this.text = text;
  }
}

/** A value in a template: text is escaped, lists are joined, `false` and null are nothing. */
export type HtmlValue = string | number | Html | readonly Html[] | false | null | undefined;

/** ``html`<p>${name}</p>` `` */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(strings.reduce((text, part, index) => text + show(values[index - 1]) + part));
}

// --- internal ---

function show(value: HtmlValue): string {
  if (value === false || value === null || value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map((each) => each.text).join("");
  return Bun.escapeHTML(String(value));
}
