/** What can come next on a command line, by the verb that has been written so far. */
import type { Flag, Verb, VerbTable } from "../verb-table.ts";

export interface Place {
  /** Empty: no verb yet; `dlq`; `dlq list`. */
  readonly verb: string;
  /** Verbs, or what the verb's first argument may be. */
  readonly words: readonly { readonly name: string; readonly describe: string }[];
  /** Without those that every verb has. */
  readonly flags: readonly Flag[];
}

export function placesOf({ groups, verbs }: VerbTable): readonly Place[] {
  const alone = verbs.filter(({ group }) => group === undefined).map(toWord);
  const named = groups.map(({ name, summary }) => ({ name, describe: summary }));
  const start: Place = { verb: "", words: [...alone, ...named], flags: [] };
  const inside = groups.map(({ name }): Place => {
    const words = verbs.filter(({ group }) => group === name).map(toWord);
    return { verb: name, words, flags: [] };
  });
  return [start, ...inside, ...verbs.map(placeOf)];
}

export function spellings({ name, aliases }: Flag): string[] {
  return [name, ...aliases].map((each) => (each.length === 1 ? `-${each}` : `--${each}`));
}

function placeOf({ group, name, positionals, flags }: Verb): Place {
  const choices = positionals[0]?.choices ?? [];
  const words = choices.map((choice) => ({ name: choice, describe: "" }));
  return { verb: group === undefined ? name : `${group} ${name}`, words, flags };
}

function toWord({ name, command }: Verb): Place["words"][number] {
  return { name, describe: command.summary };
}
