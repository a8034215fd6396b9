/**
 * Doubles of what a worker stands on: a clock whose hands the test turns, and brokers that register
 * whoever comes, remember what they were told, and do only what the test makes them do.
 */
import { type DeliveredTask, formatTaskId, type ReportItem } from "task-queue-protocol";
import type { Clock, Timer } from "../src/clock.ts";
import type {
  Dialer,
  Link,
  LinkListener,
  Refusal,
  Registration,
  Report,
} from "../src/core/link.ts";
import type { Handlers } from "../src/handler.ts";
import type { Logger } from "../src/logger.ts";
import { resolveOptions, type WorkerOptions } from "../src/options.ts";
import { Worker } from "../src/worker.ts";

export class FakeClock implements Clock {
  #now = 1_000;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];
  #soon: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      },
    };
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  /** Lets promises settle and runs what was put off to the end of the turn. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      const due = this.#soon;
      if (due.length === 0) return;
      this.#soon = [];
      for (const callback of due) callback();
    }
  }

  /** Turns the hands, ringing each timer at its time. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = next.at;
      next.callback();
      await this.settle();
    }
    this.#now = end;
  }
}

export class FakeLink implements Link {
  readonly address: string;
  readonly registration: Registration;
  readonly leaseMs = 30_000;
  heartbeatMs = 0;
  readonly resultBytesMax = 1_000;
  readonly registeredAt: number;
  lost: readonly number[] = [];
  readonly listener: LinkListener;
  readonly beats: number[] = [];
  readonly windows: number[] = [];
  readonly reports: Report[] = [];
  readonly batches: number[] = [];
  readonly extensions: { readonly token: number; readonly forMs: number }[] = [];
  saidBye = false;
  isClosed = false;
  acksBeats = true;
  acksReports = true;
  readonly #clock: FakeClock;

  constructor(
    address: string,
    registration: Registration,
    listener: LinkListener,
    clock: FakeClock,
  ) {
    this.address = address;
    this.registration = registration;
    this.listener = listener;
    this.registeredAt = clock.now();
    this.#clock = clock;
  }

  beat(): void {
    this.beats.push(this.#clock.now());
    if (this.acksBeats) this.listener.renewed(this.#clock.now());
  }

  setWindow(window: number): void {
    this.windows.push(window);
  }

  get window(): number {
    return this.windows.at(-1) ?? this.registration.window;
  }

  report(reports: readonly Report[]): void {
    this.batches.push(reports.length);
    this.reports.push(...reports);
    if (!this.acksReports) return;
    for (const report of reports) this.listener.answered(report, undefined);
  }

  readonly notes: ReportItem[] = [];

  note(items: readonly ReportItem[]): void {
    this.notes.push(...items);
  }

  extendRefusal: Refusal;

  extend(_id: Uint8Array, token: number, forMs: number): Promise<Refusal> {
    this.extensions.push({ token, forMs });
    return Promise.resolve(this.extendRefusal);
  }

  bye(): Promise<void> {
    this.saidBye = true;
    return Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
  }

  /** The connection breaks. */
  break(hint?: string): void {
    this.isClosed = true;
    this.listener.closed("broken by the test", hint);
  }

  deliver(...tasks: DeliveredTask[]): void {
    this.listener.delivered(tasks);
  }

  reported(kind: Report["kind"]): number[] {
    return this.reports.filter((report) => report.kind === kind).map((report) => report.token);
  }
}

export class FakeDialer implements Dialer {
  readonly links: FakeLink[] = [];
  readonly dialled: string[] = [];
  /** Set to change or refuse the links that are made. */
  onDial: (link: FakeLink) => void = () => {};
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async dial(address: string, registration: Registration, listener: LinkListener): Promise<Link> {
    this.dialled.push(address);
    const link = new FakeLink(address, registration, listener, this.#clock);
    this.onDial(link);
    this.links.push(link);
    return link;
  }

  get link(): FakeLink {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("nothing was dialled yet");
    return link;
  }
}

/** A task as it is delivered; its id is made from the token. */
export function delivery(token: number, fields: Partial<DeliveredTask> = {}): DeliveredTask {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(12, token);
  return {
    id,
    token,
    attempt: 1,
    failures: 0,
    maxRetries: 3,
    priority: "normal",
    leaseMs: 30_000,
    timeoutMs: 0,
    createdAt: 1_700_000_000_000,
    type: "work",
    queue: "default",
    payload: new TextEncoder().encode(JSON.stringify({ token })),
    payloadType: "json",
    tags: [],
    metadata: "",
    traceparent: "",
    ...fields,
  };
}

export function idOf(token: number): string {
  return formatTaskId(delivery(token).id);
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object;
}

export function logTo(lines: LogLine[]): Logger {
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, message, fields });
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** A handler whose runs end when the test says so. */
export class Held {
  readonly started: number[] = [];
  readonly signals = new Map<number, AbortSignal>();
  readonly #ends = new Map<
    number,
    { resolve(value: unknown): void; reject(error: unknown): void }
  >();

  /** `heeds`: it rejects by itself when its signal fires. */
  handler(heeds: boolean): Handlers[string] {
    return (_payload, ctx) => {
      const token = Number(ctx.token);
      this.started.push(token);
      this.signals.set(token, ctx.signal);
      return new Promise((resolve, reject) => {
        this.#ends.set(token, { resolve, reject });
        if (heeds) ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason));
      });
    };
  }

  resolve(token: number, value?: unknown): void {
    this.#ends.get(token)?.resolve(value);
  }

  reject(token: number, error: unknown): void {
    this.#ends.get(token)?.reject(error);
  }

  why(token: number): unknown {
    return this.signals.get(token)?.reason?.why;
  }
}

export interface Bench {
  readonly clock: FakeClock;
  readonly dialer: FakeDialer;
  readonly worker: Worker;
  readonly held: Held;
  readonly log: LogLine[];
}

/** A started, registered worker for tasks of type `work` whose handler the test controls. */
export async function bench(
  options: Partial<WorkerOptions> = {},
  { heeds = true, start = true } = {},
): Promise<Bench> {
  const clock = new FakeClock();
  const dialer = new FakeDialer(clock);
  const held = new Held();
  const log: LogLine[] = [];
  const resolved = resolveOptions({
    servers: "a:1,b:2,c:3",
    handlers: { work: held.handler(heeds) ?? (() => {}) },
    logger: logTo(log),
    ...options,
  });
  const worker = new Worker(resolved, { clock, dialer, random: () => 0 });
  if (start) {
    const started = worker.start();
    await clock.settle();
    await started;
  }
  return { clock, dialer, worker, held, log };
}
