/**
 * A caller of the API: submits, cancels, retries and deletes tasks, and reads. While faults are
 * on it starts something new again and again; afterwards it only brings to an end what it began.
 */
import type { Command, Submit } from "../../../packages/broker/src/queue/index.ts";
import { idText } from "../checkers/model.ts";
import type { SimulatedNode } from "../node.ts";
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";
import { Errand } from "./errand.ts";
import { diamondOf } from "./extras.ts";
import type { Submissions } from "./submission.ts";

/** Submitted tasks that a client remembers, to cancel them or submit them again. */
const REMEMBERED = 20;
const REQUEST_ID_BYTES = 16;

export class Client {
  readonly #arena: Arena;
  readonly #name: string;
  readonly #times: Random;
  /** Anew for each deed, so that one that is left out does not change the others. */
  #random: Random;
  readonly #submissions: Submissions;
  #thoughts = 0;
  /** The newest index that this client has seen anything of. */
  #seen = 0;
  #recent: Submit[] = [];
  readonly #resent = new Set<Submit>();
  /** Commands without an answer. */
  readonly open = new Set<Errand>();

  constructor(arena: Arena, random: Random, name: string, submissions: Submissions) {
    this.#arena = arena;
    this.#name = name;
    this.#times = random;
    this.#random = random;
    this.#submissions = submissions;
    this.#think();
  }

  #think(): void {
    const { time, options } = this.#arena;
    time.after(this.#times.exponential(options.workload.thinkMs), () => {
      if (this.#arena.isOver) return;
      const deed = `${this.#name}.${++this.#thoughts}`;
      this.#random = this.#times.fork(deed);
      if (this.#arena.wants(deed)) this.#act();
      this.#think();
    });
  }

  #act(): void {
    const { cancelRate, readRate, resendRate, burstMax } = this.#arena.options.workload;
    const deed = this.#random.weighted({
      submit: 1,
      resend: resendRate,
      cancel: cancelRate,
      read: readRate,
      sessionRead: readRate,
      tidy: cancelRate + 0.05,
    });
    if (deed === "submit") {
      for (let left = this.#random.whole(1, burstMax); left > 0; left--) this.#submit();
    } else if (deed === "read") {
      this.#read();
    } else if (deed === "sessionRead") {
      this.#readSession();
    } else if (deed === "tidy") {
      this.#tidy();
    } else if (this.#recent.length > 0) {
      const submit = this.#random.pick(this.#recent);
      if (deed === "resend") this.#resend(submit);
      else this.#do({ type: "cancel", id: submit.id, reason: "not needed" });
    }
  }

  #submit(): void {
    const isBatch = this.#arena.knowsLater && this.#random.chance(this.#batchRate);
    if (isBatch) {
      const four = [1, 2, 3, 4].map(() => this.#next());
      this.#do({ type: "submitAll", tasks: diamondOf(this.#random, four) });
      return;
    }
    const submit = this.#next();
    this.#recent.push(submit);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
    this.#do(submit);
  }

  #next(): Submit {
    const parents = this.#arena.knowsLater ? this.#recent.map(({ id }) => id) : undefined;
    return this.#submissions.next(this.#arena.wallMs, this.#random, parents);
  }

  get #batchRate(): number {
    return this.#arena.options.workload.later.batchRate;
  }

  #resend(submit: Submit): void {
    this.#resent.add(submit);
    this.#do(submit);
  }

  /** Somebody looks through the dead tasks. */
  #tidy(): void {
    const dead = [...this.#arena.inspector.ledger.tasks.values()].filter((task) => {
      return task.state === "dead" && task.endings > task.restarts && !task.deleted;
    });
    if (dead.length === 0) return;
    const { id } = this.#random.pick(dead).submit;
    const requestId = this.#random.bytes(REQUEST_ID_BYTES);
    this.#do({ type: this.#random.chance(0.6) ? "retry" : "delete", id, requestId });
  }

  #do(command: Command): void {
    const errand = new Errand(this.#arena, this.#random, command, (end) => {
      this.open.delete(errand);
      if (command.type !== "submit") return;
      if (end.kind === "gaveUp") this.#forget(command, end.mayBeDone);
      else if (end.reply.code === "ok") this.#submitted(end.reply.id!, end.index);
    });
    this.open.add(errand);
  }

  /** A submit that was only ever tried once and refused each time must not turn up later. */
  #forget(submit: Submit, mayBeDone: boolean): void {
    this.#recent = this.#recent.filter((each) => each !== submit);
    if (mayBeDone || this.#resent.has(submit)) return;
    this.#arena.inspector.promises.refusedForGood(submit);
  }

  #read(): void {
    const { acknowledged, ackedIndex } = this.#arena.inspector.promises;
    if (acknowledged.size === 0) return;
    const recent = this.#recent.filter(({ id }) => acknowledged.has(idText(id)));
    const id = recent.length === 0 ? undefined : this.#random.pick(recent).id;
    this.#readAt(id, true, 0, ackedIndex);
  }

  #submitted(id: Uint8Array, index: number): void {
    this.#seen = Math.max(this.#seen, index);
    this.#readOwn(id, index);
  }

  /** Any node shows a write to whoever knows its index. */
  #readOwn(id: Uint8Array, index: number): void {
    if (!this.#random.chance(0.1)) return;
    this.#arena.situations.hit("read at an index of one's own");
    this.#readAt(id, false, index, index);
  }

  /** On any node, and never older than what this client has seen. */
  #readSession(): void {
    const seen = this.#seen;
    const { situations } = this.#arena;
    const node = this.#readAt(undefined, false, seen, 0, (applied) => {
      this.#arena.inspector.promises.sessionRead(seen, applied);
      this.#seen = Math.max(this.#seen, applied);
    });
    if ((node.replica?.queue.applied ?? seen) < seen) situations.hit("session read has to wait");
  }

  #readAt(
    id: Uint8Array | undefined,
    linearizable: boolean,
    minIndex: number,
    mustSee: number,
    done: (applied: number) => void = () => {},
  ): SimulatedNode {
    const { time, reachable, situations, inspector } = this.#arena;
    const node = this.#random.pick(reachable);
    const served = (applied: number | undefined): void => {
      if (applied === undefined) {
        situations.hit("linearizable read refused");
        return;
      }
      if (linearizable && !node.leads) situations.hit("linearizable read on a follower");
      inspector.promises.readServed(mustSee, applied);
      inspector.promises.readCommitted(node.replica!.queue.applied, inspector.log.commit);
      if (id !== undefined) inspector.promises.taskRead(id, node.replica!.queue.task(id));
      done(applied);
    };
    time.after(this.#arena.travelMs(this.#random), () => {
      node.input((replica) => replica.read(served, linearizable, minIndex));
    });
    return node;
  }
}
