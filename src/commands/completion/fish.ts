/** Completion for fish 3 and later, with descriptions. */
import { type CommandSpec, functionName, quoted, type Value } from "./spec.ts";

/** The script, for `rexec completion fish | source`. */
export function fishCompletion(specs: readonly CommandSpec[]): string {
  const program = specs[0]?.path ?? "";
  const at = `_${functionName(program)}_at`;
  return `# fish completion for ${program}; load it with: ${program} completion fish | source
# True where the words so far lead to the command of that name (and to that place among its own words).
function ${at}
    set -l at ${quoted(program)}
    set -l value 0
    set -l place 0
    for word in (commandline -opc)[2..]
        if test $value = 1
            set value 0
            continue
        end
        switch "$at|$word"
            case '*|--'
                return 1
${specs.flatMap(walk).join("\n")}
            case '*|-*'
            case '*'
                set place (math $place + 1)
        end
    end
    test "$at" = "$argv[1]"; and begin
        test (count $argv) -lt 2; or test $place = "$argv[2]"
    end
end
complete -c ${program} -f
${specs.flatMap((spec) => lines(program, at, spec)).join("\n")}
`;
}

// --- internal ---

function walk({ path, children, options }: CommandSpec): string[] {
  return [
    ...children.flatMap(({ name, path: next }) => [
      `            case ${quoted(`${path}|${name}`)}`,
      ...(next === null ? [] : [`                set at ${quoted(next)}`, "                set place 0"]),
    ]),
    ...options.flatMap(({ flags, value }) =>
      value === null
        ? []
        : [
            `            case ${flags.map((flag) => quoted(`${path}|${flag}`)).join(" ")}`,
            "                set value 1",
          ],
    ),
  ];
}

function lines(program: string, at: string, { path, children, options, positionals }: CommandSpec): string[] {
  const when = (place?: number) => `-n "${at} ${quoted(path)}${place === undefined ? "" : ` ${place}`}"`;
  const head = `complete -c ${program}`;
  return [
    ...children.map(
      ({ name, description }) => `${head} ${when(0)} -a ${quoted(name)} -d ${quoted(description)}`,
    ),
    ...options.map(({ flags, description, value }) => {
      const names = flags.map((flag) =>
        flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      );
      return `${head} ${when()} ${names.join(" ")}${taken(value)} -d ${quoted(description)}`;
    }),
    ...positionals.flatMap((value, index) =>
      value.kind === "text" ? [] : [`${head} ${when(index)}${completed(value)}`],
    ),
  ];
}

/** How an option takes its value. */
function taken(value: Value | null): string {
  if (value === null) return "";
  return value.kind === "text" ? " -x" : ` -r${completed(value)}`;
}

function completed(value: Value): string {
  switch (value.kind) {
    case "file":
      return " -F";
    case "folder":
      return " -f -a '(__fish_complete_directories)'";
    case "choice":
      return ` -f -a ${quoted(value.choices.join(" "))}`;
    case "asked":
      return ` -f -a ${quoted(`(rexec complete ${value.what} -- (commandline -opc)[2..] 2>/dev/null)`)}`;
    case "text":
      return " -f";
  }
}
