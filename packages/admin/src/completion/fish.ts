/** Completion for fish: a line for each word and each flag, with what it means beside it. */
import type { Flag, VerbTable } from "../verb-table.ts";
import { type Place, placesOf } from "./places.ts";

export function fishScript(table: VerbTable): string {
  return [
    "# Completion of tq-admin for fish: tq-admin completion fish | source",
    ...table.globals.flags.map((flag) => flagLine(flag, "")),
    ...placesOf(table).flatMap((place) => linesOf(place, table)),
    "",
  ].join("\n");
}

function linesOf({ verb, words, flags }: Place, { groups }: VerbTable): string[] {
  const here = conditionOf(verb, groups);
  const names = words.map(({ name }) => name).join(" ");
  const isOpen = verb === "" ? "" : `; and not ${SEEN} ${names}`;
  return [
    ...words.map(({ name, describe }) => {
      return `complete -c tq-admin -n ${quoted(here + isOpen)} -a ${name} -d ${quoted(describe)}`;
    }),
    ...flags.map((flag) => flagLine(flag, ` -n ${quoted(here)}`)),
  ];
}

const SEEN = "__fish_seen_subcommand_from";

/** That this verb is the one: some verbs of groups have the name of one that stands alone. */
function conditionOf(verb: string, groups: VerbTable["groups"]): string {
  if (verb === "") return "__fish_use_subcommand";
  const seen = verb.split(" ").map((word) => `${SEEN} ${word}`);
  const names = groups.map(({ name }) => name);
  const isAlone = seen.length === 1 && !names.includes(verb);
  return [...seen, ...(isAlone ? [`not ${SEEN} ${names.join(" ")}`] : [])].join("; and ");
}

function flagLine({ name, aliases, describe, takesValue, choices }: Flag, when: string): string {
  const short = aliases.filter((alias) => alias.length === 1).map((alias) => ` -s ${alias}`);
  const value =
    choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : takesValue ? " -r" : "";
  return `complete -c tq-admin${when} -l ${name}${short.join("")}${value} -d ${quoted(describe)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
