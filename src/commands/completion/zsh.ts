/** Completion for zsh, by its own `_arguments`, with descriptions. */
import { type CommandSpec, functionName, type OptionSpec, quoted, type Value } from "./spec.ts";

/** The script, for `source <(rexec completion zsh)` or as the file `_rexec` in a folder of `$fpath`. */
export function zshCompletion(specs: readonly CommandSpec[]): string {
  const program = specs[0]?.path ?? "";
  const name = functionName(program);
  return `#compdef ${program}
# zsh completion for ${program}; load it with: source <(${program} completion zsh)

${program === "rexec" ? askFunction() : ""}${specs.map(commandFunction).join("\n")}
# As a file in $fpath this is run to complete; sourced it has to say what it is for.
if [[ \${funcstack[1]} == ${name} ]]; then
  ${name} "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef ${name} ${program}
fi
`;
}

// --- internal ---

const ASK = "_rexec_ask";

/** The last argument says what; those before it are for `compadd`. */
function askFunction(): string {
  return `${ASK}() {
  local -a names
  names=("\${(@f)$(rexec complete "\${@[-1]}" -- "\${(@Q)words[1,CURRENT-1]}" 2>/dev/null)}")
  names=("\${(@)names:#}")
  compadd "\${@[1,-2]}" -a names
}
`;
}

function commandFunction(spec: CommandSpec): string {
  const { path, children, options, positionals } = spec;
  const flags = options.map((option) => `    ${optionArgument(option)} \\\n`).join("");
  if (children.length === 0) {
    const places = positionals.map((value, index) => `    ${quoted(`${index + 1}:${action(value)}`)} \\\n`);
    return `${functionName(path)}() {
  _arguments -s \\
${flags}${places.join("")}    && return 0
}
`;
  }
  return `${functionName(path)}() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C -s \\
${flags}    '1: :->command' \\
    '*:: :->words' && return 0
  case $state in
  command)
    local -a commands=(
${children.map(({ name, description }) => `      ${quoted(`${name}:${description}`)}`).join("\n")}
    )
    _describe -t commands command commands
    ;;
  words)
    case $line[1] in
${children.flatMap(({ name, path: next }) => (next === null ? [] : [`    ${name}) ${functionName(next)} ;;`])).join("\n")}
    help) ${functionName(path)} ;;
    esac
    ;;
  esac
}
`;
}

/** `'(--config -c)'{--config=,-c+}'[Agent config file]:FILE:_files'` */
function optionArgument({ flags, description, value }: OptionSpec): string {
  const forms = flags.map((flag) => `${flag}${value === null ? "" : flag.startsWith("--") ? "=" : "+"}`);
  const about = `[${escaped(description)}]${value === null ? "" : `:${action(value)}`}`;
  if (flags.length === 1) return quoted(`${forms[0]}${about}`);
  return `${quoted(`(${flags.join(" ")})`)}{${forms.join(",")}}${quoted(about)}`;
}

/** The message and what completes it: `FILE:_files`. */
function action(value: Value): string {
  const message = escaped(value.hint);
  switch (value.kind) {
    case "file":
      return `${message}:_files`;
    case "folder":
      return `${message}:_files -/`;
    case "choice":
      return `${message}:(${value.choices.join(" ")})`;
    case "asked":
      return `${message}:${ASK} ${value.what}`;
    case "text":
      return `${message}: `;
  }
}

/** Without what means something in a specification of `_arguments`. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, " ");
}
