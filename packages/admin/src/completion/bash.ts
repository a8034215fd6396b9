/**
 * Completion for bash: a function without a process of its own, since a key press must not wait for
 * a program to start. zsh runs it too, by the layer for bash that comes with it.
 */
import type { Flag, VerbTable } from "../verb-table.ts";
import { type Place, placesOf, spellings } from "./places.ts";

export function bashScript(table: VerbTable): string {
  return `# Completion of tq-admin for bash: source <(tq-admin completion bash)\n${body(table)}`;
}

export function zshScript(table: VerbTable): string {
  return `#compdef tq-admin
# Completion of tq-admin for zsh: source <(tq-admin completion zsh)
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
${body(table)}`;
}

function body(table: VerbTable): string {
  const known = placesOf(table);
  const globals = table.globals.flags;
  const flags = [...globals, ...known.flatMap((place) => place.flags)];
  const choices = [
    ...globals.flatMap((flag) => choiceOf("*", flag)),
    ...known.flatMap(({ verb, flags: own }) => {
      return own.flatMap((flag) => [
        ...choiceOf(`"${verb}"`, flag),
        ...choiceOf(`"${verb} "*`, flag),
      ]);
    }),
  ];
  const valued = flags.filter(({ takesValue }) => takesValue).flatMap(spellings);
  return `_tq_admin_valued() {
  case "$1" in
    ${unique(valued).join("|")}) return 0 ;;
  esac
  return 1
}
_tq_admin() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" verb="" word="" before="" words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if ! _tq_admin_valued "$before" && [[ "$word" != -* ]]; then verb="\${verb:+$verb }$word"; fi
    before="$word"
  done
  COMPREPLY=()
  case "$verb $before" in
${choices.join("\n")}
    *) if _tq_admin_valued "$before"; then return; fi ;;
  esac
  if [[ -z "$words" ]]; then
    case "$verb" in
${known.flatMap(caseOf).join("\n")}
    esac
    words="$words ${[...globals.flatMap(spellings), "--help"].join(" ")}"
  fi
  COMPREPLY=( $(compgen -W "$words" -- "$cur") )
}
complete -o default -F _tq_admin tq-admin
`;
}

/** The same flag may have other values with another verb. */
function choiceOf(verb: string, flag: Flag): string[] {
  if (flag.choices.length === 0) return [];
  const patterns = spellings(flag).map((each) => `${verb}" ${each}"`);
  return [`    ${patterns.join("|")}) words="${flag.choices.join(" ")}" ;;`];
}

function caseOf({ verb, words, flags }: Place): string[] {
  const offered = [...words.map(({ name }) => name), ...flags.flatMap(spellings)];
  if (offered.length === 0) return [];
  // Flags are still to be had behind a verb's own arguments.
  const pattern = flags.length === 0 ? `"${verb}"` : `"${verb}"|"${verb} "*`;
  return [`      ${pattern}) words="${offered.join(" ")}" ;;`];
}

function unique(lines: readonly string[]): string[] {
  return [...new Set(lines)];
}
