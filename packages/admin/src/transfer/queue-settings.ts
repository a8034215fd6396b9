/** The settings of a queue in two steps, between which its tasks are made. */
import type { AdminClient } from "../io.ts";
import type { QueueLine } from "./format.ts";

type Target = Pick<AdminClient, "queue">;

/** The highest that a setting may be: tasks that were there are never too many. */
const DEPTH_LIMIT_MAX = 1_000_000_000_000;

/** Pause and all limits on runs; not yet what would refuse tasks or give them an expiry. */
export async function importPaused(
  target: Target,
  { name, settings, paused, draining }: QueueLine,
  nameOf: (queue: string) => string,
): Promise<void> {
  const queue = target.queue(nameOf(name));
  const depth_limit = settings.depth_limit === 0 ? 0 : DEPTH_LIMIT_MAX;
  await queue.set({ ...renamed(settings, nameOf), depth_limit, default_ttl_ms: 0 });
  if (paused) await queue.pause();
  if (draining) await queue.undrain();
}

export async function importSettings(
  target: Target,
  { name, settings, draining }: QueueLine,
  nameOf: (queue: string) => string,
): Promise<void> {
  const queue = target.queue(nameOf(name));
  const { depth_limit, default_ttl_ms } = settings;
  if (depth_limit > 0 || default_ttl_ms > 0) await queue.set(renamed(settings, nameOf));
  if (draining) await queue.drain();
}

function renamed(
  settings: QueueLine["settings"],
  nameOf: (queue: string) => string,
): QueueLine["settings"] {
  const { dead_letter_queue } = settings;
  if (dead_letter_queue === "") return settings;
  return { ...settings, dead_letter_queue: nameOf(dead_letter_queue) };
}
