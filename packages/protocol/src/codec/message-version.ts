/** Which version of the protocol a peer must speak to read a message. */
import { EXTRAS_VERSION, REPORT_VERSION, VERSION_MIN } from "../limits.ts";
import type { Message } from "../message.ts";
import { needsMore } from "./submit-task.ts";

export function versionOf(message: Message): number {
  switch (message.kind) {
    case "submit":
      return message.tasks.some(needsMore) ? EXTRAS_VERSION : VERSION_MIN;
    case "complete":
      return message.items.some(({ children }) => children !== undefined)
        ? EXTRAS_VERSION
        : VERSION_MIN;
    case "report":
      return REPORT_VERSION;
    default:
      return VERSION_MIN;
  }
}
