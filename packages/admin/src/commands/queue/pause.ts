/** `tq-admin pause|resume QUEUE` and `tq-admin queue drain|undrain QUEUE`. */
import type { QueueHandle, QueueJson } from "task-queue-client";
import type { Command } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import { queueName, withQueue } from "./get.ts";

interface Turn {
  readonly verb: string;
  readonly summary: string;
  readonly example: string;
  readonly group?: string;
  change(queue: QueueHandle): Promise<QueueJson>;
  /** What is so then, behind the queue's name. */
  readonly done: string;
}

function turn({ verb, summary, example, group = "", change, done }: Turn): Command {
  return {
    usage: `${verb} <queue>`,
    summary,
    examples: [[`tq-admin ${group}${verb} mail`, example]],
    arguments: withQueue,
    async run({ client, out, args }) {
      const { name, paused, draining, revision } = await change(client.queue(queueName(args)));
      out.done({ name, paused, draining, revision }, `${name} ${done}`);
      return EXIT.ok;
    },
  };
}

export const pause = turn({
  verb: "pause",
  summary: "Let no task of a queue begin; what runs goes on",
  example: "until tq-admin resume mail",
  change: (queue) => queue.pause(),
  done: "is paused",
});

export const resume = turn({
  verb: "resume",
  summary: "Let the tasks of a paused queue begin again",
  example: "after tq-admin pause mail",
  change: (queue) => queue.resume(),
  done: "goes on",
});

export const drain = turn({
  verb: "drain",
  summary: "Take no task into a queue; what is there goes on",
  example: "new tasks are refused with state_conflict",
  group: "queue ",
  change: (queue) => queue.drain(),
  done: "is draining",
});

export const undrain = turn({
  verb: "undrain",
  summary: "Take tasks into a draining queue again",
  example: "after tq-admin queue drain mail",
  group: "queue ",
  change: (queue) => queue.undrain(),
  done: "takes tasks",
});
