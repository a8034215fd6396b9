/**
 * What the random commands of the model test are made of since version 3. A feature adds its
 * commands to `LATER_COMMANDS` and its parts of a content to `LATER_CONTENTS`, from a file of its
 * own.
 */
import type { Command } from "../../src/queue/command.ts";
import type { TaskContent, TaskId } from "../../src/queue/task.ts";
import type { Driver } from "./harness.ts";
import type { NaiveModel } from "./naive-model.ts";
import type { Task } from "./naive-state.ts";
import { endForGood, someExpunge, someForget, someJob, someTags } from "./random-history.ts";
import { cancelParent, someParents, submitWithParents } from "./random-parents.ts";
import { someReport } from "./random-report.ts";
import {
  completeWithChildren,
  rescheduleOne,
  someBackoff,
  someExpiry,
  someUnique,
  submitSome,
} from "./random-submit.ts";
import { someConfigure, someDeleteQueue, someGroup, someReset } from "./random-turns.ts";

/** The dice of one step: `kind` below 100, the others below 1,000. */
export interface Step {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** At version 3: which command of `LATER_COMMANDS`, and whether it is one. */
  readonly d: number;
}

/** What is known of a task: the naive model's own, or one seen through the machine. */
export type KnownTask = Pick<
  Task,
  "id" | "content" | "state" | "attempts" | "dueAt" | "finishedAt" | "error" | "deleted" | "waits"
>;

export interface Known extends Pick<NaiveModel, "version" | "now" | "jobs"> {
  readonly tasks: readonly KnownTask[];
  find(id: TaskId): KnownTask | undefined;
}

/** What there is to choose from. */
export interface Table {
  readonly driver: Pick<Driver, "now" | "machine">;
  readonly model: Known;
  readonly queues: readonly string[];
  readonly types: readonly string[];
  readonly sessions: readonly string[];
  /** Mostly an id that nobody has used. */
  newId(a: number): TaskId;
  /** Any id. */
  id(a: number): TaskId;
  /** Mostly that of a task like this. */
  idOf(a: number, wanted: (task: KnownTask) => boolean): TaskId;
  /** Mostly that of the task's newest run. */
  token(id: TaskId, b: number): number;
  /** With the parts that the version allows. */
  submit(a: number, b: number, c: number, d: number): Extract<Command, { type: "submit" }>;
}

export type CommandMaker = (table: Table, step: Step) => Command;
export type ContentMaker = (table: Table, dice: number) => Partial<TaskContent>;

/** At version 3 about every third command is one of these, each as often as it stands here. */
export const LATER_COMMANDS: readonly CommandMaker[] = [
  submitSome,
  completeWithChildren,
  rescheduleOne,
  someReport,
  someConfigure,
  someReset,
  someDeleteQueue,
  submitWithParents,
  cancelParent,
  endForGood,
  endForGood,
  someJob,
  someJob,
  someExpunge,
  someForget,
];

/** At version 3 every other content has the parts that one of these gives. */
export const LATER_CONTENTS: readonly ContentMaker[] = [
  someUnique,
  someUnique,
  someExpiry,
  someBackoff,
  someGroup,
  someGroup,
  someParents,
  someParents,
  someTags,
];
