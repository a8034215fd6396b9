/** The naive model's queues, and what an operator says of them. */
import type { Command } from "../../src/queue/command.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../src/queue/queue-settings.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { NaiveModel } from "./naive-model.ts";
import { ok, refused } from "./naive-state.ts";

export interface Book {
  readonly name: string;
  settings: QueueSettings;
  revision: number;
  paused: boolean;
  draining: boolean;
  turn: number;
  groupTurn: number;
  /** Turns of groups with live tasks, and that of "" for ever. */
  turns: Map<string, number>;
  /** It has a place among those that a lease has looked at, and so do these groups of it. */
  seated: boolean;
  seatedGroups: Set<string>;
}

/** The queue, made if it is not there. */
export function bookOf(model: NaiveModel, name: string): Book {
  const known = model.books.get(name);
  if (known !== undefined) return known;
  const book = newBook(model, name);
  model.books.set(name, book);
  return book;
}

/** What is said of a queue, which need not be there. */
export function saidOf(model: NaiveModel, name: string): Pick<Book, "settings" | "draining"> {
  return model.books.get(name) ?? newBook(model, name);
}

export function configure(
  model: NaiveModel,
  command: Extract<Command, { type: "configureQueue" }>,
): Reply {
  const known = model.books.get(command.queue);
  const names = (command.settings?.groupWeights ?? []).map(({ group }) => group);
  if (names.length > 1000) return refused("invalid_request");
  if (names.some((name, at) => at > 0 && name <= names[at - 1]!)) return refused("invalid_request");
  const book = known ?? newBook(model, command.queue);
  const { settings, paused, draining } = book;
  const before = { settings, paused, draining };
  const after = {
    settings: command.settings ?? settings,
    paused: command.paused ?? paused,
    draining: command.draining ?? draining,
  };
  if (known !== undefined && JSON.stringify(before) === JSON.stringify(after)) {
    return ok(undefined, true);
  }
  if (command.ifRevision !== undefined && command.ifRevision !== (known?.revision ?? 0)) {
    return refused("state_conflict");
  }
  Object.assign(book, after, { revision: book.revision + 1 });
  model.books.set(command.queue, book);
  return ok(undefined);
}

export function deleteQueue(model: NaiveModel, name: string, revision?: number): Reply {
  const book = model.books.get(name);
  if (book === undefined) return ok(undefined, true);
  if (revision !== undefined && revision !== book.revision) return refused("state_conflict");
  if (model.tasks.some((task) => !task.deleted && task.queue === name)) {
    return refused("state_conflict");
  }
  model.books.delete(name);
  if (model.version >= 3) model.freshRevision = Math.max(model.freshRevision, book.revision + 1);
  return ok(undefined);
}

function newBook(model: NaiveModel, name: string): Book {
  return {
    name,
    settings: DEFAULT_SETTINGS,
    revision: model.freshRevision,
    paused: false,
    draining: false,
    turn: 0,
    groupTurn: 0,
    turns: new Map([["", 0]]),
    seated: false,
    seatedGroups: new Set(),
  };
}
