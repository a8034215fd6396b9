/**
 * What handlers say of their runs, on its way to the broker: gathered and sent once a second at
 * most, and what is left of it before the run's end is reported. Of progress the newest counts, of
 * lines the newest hundred. It is worth less than a result: what was sent is not sent again.
 */
import type { LogLevelName, NotedLine, ReportItem } from "task-queue-protocol";
import { LOG_LINE_BYTES_MAX, REPORT_EVERY_MS, REPORT_LINES_MAX } from "task-queue-protocol";
import type { Clock, Timer } from "../clock.ts";
import type { Held } from "./held.ts";
import type { Link } from "./link.ts";

interface Unsent {
  progress: string;
  lines: NotedLine[];
}

export class Notes {
  readonly #clock: Clock;
  readonly #unsent = new Map<Held, Unsent>();
  #link: Link | undefined;
  #timer: Timer | undefined;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `value`: JSON text. */
  progress(held: Held, value: string): void {
    const unsent = this.#of(held);
    if (unsent !== undefined) unsent.progress = value;
  }

  line(held: Held, level: LogLevelName, text: string): void {
    const unsent = this.#of(held);
    if (unsent === undefined) return;
    // Units rather than bytes: the broker cuts to the byte.
    unsent.lines.push({ level, text: text.slice(0, LOG_LINE_BYTES_MAX) });
    if (unsent.lines.length > REPORT_LINES_MAX) unsent.lines.shift();
  }

  /** The run has ended; to be called before that is reported. */
  ended(held: Held): void {
    const unsent = this.#unsent.get(held);
    if (unsent === undefined) return;
    this.#unsent.delete(held);
    if (held.phase === "running") this.#link?.note([toItem(held, unsent)]);
  }

  attach(link: Link): void {
    this.#link = link;
    this.#sendSoon();
  }

  detach(): void {
    this.#link = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Undefined once nobody would take it. */
  #of(held: Held): Unsent | undefined {
    if (held.phase !== "running") return undefined;
    const known = this.#unsent.get(held);
    if (known !== undefined) return known;
    const unsent = { progress: "", lines: [] };
    this.#unsent.set(held, unsent);
    this.#sendSoon();
    return unsent;
  }

  #sendSoon(): void {
    if (this.#link === undefined || this.#timer !== undefined || this.#unsent.size === 0) return;
    const waitMs = Math.max(0, this.#sentAt + REPORT_EVERY_MS - this.#clock.now());
    this.#timer = this.#clock.after(waitMs, () => {
      this.#timer = undefined;
      this.#sentAt = this.#clock.now();
      const items = [...this.#unsent].map(([held, unsent]) => toItem(held, unsent));
      this.#unsent.clear();
      this.#link?.note(items);
    });
  }
}

function toItem({ task, token }: Held, { progress, lines }: Unsent): ReportItem {
  return { id: task.id, token, progress, lines };
}
