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
];
/** How many of them a plain batch knows. */
export const PLAIN_TAGS = 15;

/** Those of version 3 of the cluster. */
export const LATER_COMMANDS: ReadonlySet<CommandType> = new Set(TAGS.slice(PLAIN_TAGS));
