/** A strict reader of Prometheus's text format 0.0.4: what it does not know is an error. */

export interface ExposedFamily {
  type: "gauge" | "counter";
  help: string;
  /** By the labels as they are written: `{peer="agent"}`, or the empty text. */
  samples: Map<string, number>;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"`;
const HELP = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\]|\\\\[\\\\n])+)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge)$`);
const SAMPLE = new RegExp(`^(${NAME})(\\{${LABEL}(?:,${LABEL})*\\})? (\\S+)$`);

/** @throws Error for a line, a name, an order or a number that the format does not have, and for what is there twice */
export function parseExposition(text: string): Map<string, ExposedFamily> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, ExposedFamily>();
  let name = "";
  let help = "";
  let family: ExposedFamily | null = null;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, helped, words] = HELP.exec(line) ?? [];
    const [, typed, type] = TYPE.exec(line) ?? [];
    const [, sampled, labels = "", value = ""] = SAMPLE.exec(line) ?? [];
    if (line === "") family = null;
    else if (helped !== undefined && words !== undefined) {
      if (families.has(helped)) throw new Error(`${helped} is there twice`);
      [name, help, family] = [helped, words, null];
    } else if (typed !== undefined && (type === "gauge" || type === "counter")) {
      if (typed !== name || families.has(typed)) throw new Error(`a type in the wrong place: ${line}`);
      family = { type, help, samples: new Map() };
      families.set(typed, family);
    } else if (sampled !== undefined) {
      if (sampled !== name || !family) throw new Error(`a sample in the wrong place: ${line}`);
      if (family.samples.has(labels)) throw new Error(`a sample twice: ${line}`);
      if (!/^([+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)|NaN)$/.test(value)) throw new Error(`no number: ${line}`);
      family.samples.set(labels, Number(value.replace("Inf", "Infinity")));
    } else throw new Error(`not a line of the format: ${line}`);
  }
  for (const [each, { samples }] of families)
    if (samples.size === 0) throw new Error(`${each} has no sample`);
  return families;
}
