/**
 * Which version of the cluster a command needs. Before that nobody may propose it: programs that
 * know only an earlier one could not read the entry.
 */

import { LATER_COMMANDS, NEWEST_COMMANDS } from "./codec/command-tags.ts";
import { isPlainContent } from "./codec/content.ts";
import { isPlainPolicy } from "./codec/policy.ts";
import type { Command, NewTask } from "./command.ts";

/** That of the first programs. */
const FIRST = 1;
const WHOLE_TASK_MODEL = 3;
const KEYS_AND_RECALLS = 4;

export function versionNeededBy(command: Command): number {
  if (LATER_COMMANDS.has(command.type)) return WHOLE_TASK_MODEL;
  if (NEWEST_COMMANDS.has(command.type)) return KEYS_AND_RECALLS;
  if (command.type === "submit") return isPlainTask(command) ? FIRST : WHOLE_TASK_MODEL;
  if (command.type === "complete" && command.children !== undefined) return WHOLE_TASK_MODEL;
  return FIRST;
}

function isPlainTask({ content, retry }: NewTask): boolean {
  return isPlainContent(content) && isPlainPolicy(retry);
}
