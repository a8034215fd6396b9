/** Under which number each type of command is written, and since when: this is where it stands. */
import type { CommandType } from "../command.ts";

/** Position = tag. Append only. */
export const TAGS: readonly CommandType[] = [
  "submit",
  "lease",
  "extend",
  "release",
  "complete",
  "fail",
  "cancel",
  "retry",
  "delete",
  "register",
  "renew",
  "unregister",
  "lapse",
  "wake",
  "takeOffice",
  "submitAll",
  "reschedule",
  "report",
  "configureQueue",
  "deleteQueue",
  "startJob",
  "stepJob",
  "cancelJob",
  "expunge",
  "forget",
  "createKey",
  "revokeKey",
  "recall",
];
/** How many of them a plain batch knows, and how many version 3 of the cluster does. */
export const PLAIN_TAGS = 15;
const TAGS_OF_3 = 25;

/** Those of version 3 of the cluster, and those of version 4. */
export const LATER_COMMANDS: ReadonlySet<CommandType> = new Set(TAGS.slice(PLAIN_TAGS, TAGS_OF_3));
export const NEWEST_COMMANDS: ReadonlySet<CommandType> = new Set(TAGS.slice(TAGS_OF_3));
