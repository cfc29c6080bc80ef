/** Completion for bash 4 and later; it needs no bash-completion package. */
import { type CommandSpec, functionName, quoted, type Value } from "./spec.ts";

/** The script, for `source <(rexec completion bash)`. */
export function bashCompletion(specs: readonly CommandSpec[]): string {
  const program = specs[0]?.path ?? "";
  const name = functionName(program);
  return `# bash completion for ${program}; load it with: source <(${program} completion bash)
${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at=${quoted(program)} value='' place=0 word index glued=''
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    # bash makes three words of --name=value.
    if [[ $word == '=' ]]; then continue; fi
    # And of an address as many as there are colons in it.
    if [[ $word == ':' ]]; then glued=1; continue; fi
    if [[ -n $glued ]]; then glued=''; continue; fi
    if [[ -n $value ]]; then value=''; continue; fi
    if [[ $word == -- ]]; then return; fi
    case "$at|$word" in
${specs.flatMap(walk).join("\n")}
    *'|'-*) ;;
    *) ((place += 1)) ;;
    esac
  done
  if [[ -n $value && $cur == '=' ]]; then cur=''; fi
  if [[ -z $value && $cur == -* ]]; then
    case $at in
${specs.map(({ path, options }) => `    ${quoted(path)}) value=${words(options.flatMap(({ flags }) => flags))} ;;`).join("\n")}
    esac
  elif [[ -z $value ]]; then
    case "$at|$place" in
${specs.flatMap(places).join("\n")}
    esac
  fi
  case $value in
  '' | text) ;;
  file)
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    ;;
  folder)
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    ;;
  asked:*)
    local -a typed
    read -ra typed <<<"\${COMP_LINE:0:COMP_POINT}"
    [[ \${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] || unset 'typed[-1]'
    while IFS= read -r word; do
      # Not by compgen, which would expand what stands in a name.
      if [[ $word == "$cur"* ]]; then COMPREPLY+=("$(printf '%q' "$word")"); fi
    done < <(${program} complete "\${value#asked:}" -- "\${typed[@]:1}" 2>/dev/null)
    ;;
  words:*) mapfile -t COMPREPLY < <(compgen -W "\${value#words:}" -- "$cur") ;;
  esac
}
complete -F ${name} ${program}
`;
}

// --- internal ---

/** Words that lead to a sub-command, and options that are followed by a value. */
function walk({ path, children, options }: CommandSpec): string[] {
  const steps = children.map(({ name, path: next }) => ({ name, next }));
  return [
    ...steps.map(
      ({ name, next }) =>
        `    ${quoted(`${path}|${name}`)}) ${next === null ? "" : `at=${quoted(next)} place=0 `};;`,
    ),
    ...options.flatMap(({ flags, value }) =>
      value === null
        ? []
        : [`    ${flags.map((flag) => quoted(`${path}|${flag}`)).join(" | ")}) value=${kind(value)} ;;`],
    ),
  ];
}

/** What may stand at each place of a command's words. */
function places({ path, children, positionals }: CommandSpec): string[] {
  if (children.length > 0) {
    return [`    ${quoted(`${path}|0`)}) value=${words(children.map(({ name }) => name))} ;;`];
  }
  return positionals.map((value, index) => `    ${quoted(`${path}|${index}`)}) value=${kind(value)} ;;`);
}

function kind(value: Value): string {
  if (value.kind === "asked") return quoted(`asked:${value.what}`);
  return value.kind === "choice" ? words(value.choices) : value.kind;
}

function words(list: readonly string[]): string {
  return quoted(`words:${list.join(" ")}`);
}
