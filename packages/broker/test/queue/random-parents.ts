/** Tasks with parents for the model test: diamonds and chains, of live, ended and unknown tasks. */
import { PARENT_FAILURES } from "../../src/queue/task.ts";
import { FINAL } from "./naive-state.ts";
import type { CommandMaker, ContentMaker, KnownTask } from "./random-later.ts";

export const someParents: ContentMaker = (table, dice) => {
  const wanted = [isLive, isLive, isBlocked, hasEnded];
  const dependsOn = Array.from({ length: 1 + (dice % 3) }, (_, i) => {
    return table.idOf(dice * 7 + i * 131 + 1, wanted[(dice + i) % wanted.length]!);
  });
  return { dependsOn, onParentFailure: PARENT_FAILURES[dice % 3]! };
};

/** The proposer has seen that some parents have completed. */
export const submitWithParents: CommandMaker = (table, { a, b, c, d }) => {
  const command = table.submit(a, b, c, 0);
  if (table.model.find(command.id) !== undefined) return command;
  const content = { ...command.content, ...someParents(table, b + c + d) };
  const ended = [...content.dependsOn.keys()].filter((at) => {
    return c % 2 === 0 && table.model.find(content.dependsOn[at]!)?.state === "completed";
  });
  return { ...command, content, ended };
};

/** Ends that are not successes, for whole trees. */
export const cancelParent: CommandMaker = (table, { a }) => {
  const isParent = (task: KnownTask) => {
    return table.model.tasks.some(({ waits }) => waits.includes(hexOf(task)));
  };
  return { type: "cancel", id: table.idOf(a, isParent), reason: "" };
};

function hexOf(task: KnownTask): string {
  return Buffer.from(task.id).toString("hex");
}

function isLive(task: KnownTask): boolean {
  return !FINAL.includes(task.state);
}

function isBlocked(task: KnownTask): boolean {
  return task.state === "blocked";
}

function hasEnded(task: KnownTask): boolean {
  return FINAL.includes(task.state) && !task.deleted;
}
