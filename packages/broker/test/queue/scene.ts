/** What the tests of queues and turns share: a driver at version 3 with short ways to say things. */
import { DEFAULT_SETTINGS, type QueueSettings } from "../../src/queue/queue-settings.ts";
import type { TaskContent } from "../../src/queue/task.ts";
import { completeOf, Driver, HOUR, makeId, registerOf, submitOf } from "./harness.ts";

export class Scene {
  readonly driver = new Driver();
  readonly queues = new Map<string, string>();
  #serial = 0;

  constructor() {
    this.driver.raise(2);
    this.driver.raise(3);
    this.register("w1");
  }

  register(session: string, labels: readonly string[] = [], types = ["mail", "sms"]): void {
    this.driver.one(registerOf(session, { labels, types, leaseMs: 24 * HOUR }));
  }

  /** Returns the tasks' names, which are their serial numbers. */
  submit(count: number, content: Partial<TaskContent> = {}): number[] {
    const serials = Array.from({ length: count }, () => ++this.#serial);
    const { now } = this.driver;
    this.driver.apply(...serials.map((serial) => submitOf(makeId(serial, now), content)));
    return serials;
  }

  configure(queue: string, settings: Partial<QueueSettings>, rest: object = {}) {
    const all = { ...DEFAULT_SETTINGS, ...settings };
    const head = { type: "configureQueue", queue } as const;
    return this.driver.one({ ...head, settings: all, ...rest });
  }

  pause(queue: string, paused: boolean) {
    return this.driver.one({ type: "configureQueue", queue, paused });
  }

  lease(count: number, session = "w1"): { serial: number; token: number }[] {
    const before = this.driver.takeEvents();
    this.driver.one({ type: "lease", session, count });
    const leased = this.driver.takeEvents().flatMap((event) => {
      if (event.type !== "leased") return [];
      const serial = new DataView(event.id.buffer).getUint32(12);
      return [{ serial, token: event.token }];
    });
    this.driver.machine.events.push(...before);
    return leased;
  }

  serials(count: number, session = "w1"): number[] {
    return this.lease(count, session).map(({ serial }) => serial);
  }

  complete({ serial, token }: { serial: number; token: number }): void {
    const id = this.driver.machine.leases("w1").find((lease) => lease.token === token)?.id;
    this.driver.one(completeOf(id ?? makeId(serial), token));
  }

  ready(session = "w1"): number {
    return this.driver.machine.readyFor(session, 1000);
  }

  restart(): void {
    this.driver.flush();
    this.driver.restart();
  }

  /** Lanes that were told to be ready since the last time. */
  told(): string[] {
    return this.driver.takeEvents().flatMap((event) => {
      if (event.type !== "ready") return [];
      const lane = this.driver.machine.lane(event.lane);
      return [`${lane?.queue}/${lane?.type}`];
    });
  }
}

/** Grants one by one, each of which ends at once, and says whose each was. */
export function serve(scene: Scene, owners: ReadonlyMap<number, string>, count: number): string[] {
  return Array.from({ length: count }, () => {
    const [run] = scene.lease(1);
    if (run === undefined) return "nobody";
    scene.complete(run);
    return owners.get(run.serial)!;
  });
}
