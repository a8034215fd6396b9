/**
 * What the workers attached to this node must be told at the end of the turn: tasks to run, leases
 * lost, heartbeats committed.
 */
import { assert, type QueueEvent, type QueueMachine, type Token } from "../queue/index.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { ContentLoad, Outputs, SessionOutput } from "./output.ts";

type Told = Pick<Outputs<unknown, unknown>, "sessions" | "contentLoads">;

export class Sessions {
  readonly #queue: QueueMachine;
  readonly #dispatcher: Dispatcher;
  #outputs = new Map<string, SessionOutput>();
  #loads: ContentLoad[] = [];

  constructor(queue: QueueMachine, dispatcher: Dispatcher) {
    this.#queue = queue;
    this.#dispatcher = dispatcher;
  }

  /** Puts what there is to tell into the outputs of a turn. */
  take(out: Told): void {
    if (this.#outputs.size > 0) {
      out.sessions = this.#outputs;
      this.#outputs = new Map();
    }
    if (this.#loads.length === 0) return;
    out.contentLoads = this.#loads;
    this.#loads = [];
  }

  /** A session is attached anew: what was meant for the connection before is void. */
  attached(session: string): void {
    this.#outputs.delete(session);
  }

  handle(event: QueueEvent): void {
    if (event.type === "ready") {
      this.#dispatcher.laneReady(event.lane);
    } else if (event.type !== "finished" && this.#dispatcher.isAttached(event.session)) {
      if (event.type === "leased") {
        this.deliver(event.session, event.slot, event.id, event.token);
      } else if (event.type === "leaseLost") {
        this.#output(event.session).lost.push(event);
        // Of a session that is attached no lease lapses but by a recall.
        if (event.reason === "lapsed") this.#dispatcher.countRecalled(event.session);
      } else {
        this.#output(event.session).ended = true;
        this.#dispatcher.detach(event.session);
      }
    }
  }

  deliver(session: string, slot: number, id: Uint8Array, token: Token): void {
    const delivery = this.#queue.delivery(slot, token);
    if (delivery === undefined) return;
    if (delivery.kind === "ready") {
      this.#output(session).deliveries.push(delivery);
    } else {
      const attachment = this.#dispatcher.attachmentOf(session) ?? 0;
      this.#loads.push({ session, attachment, slot, id, token, key: delivery.key });
    }
  }

  /**
   * While the disk was asked the lease may have ended, and its slot been reused; or the session
   * been attached anew, with loads of its own.
   */
  contentLoaded(load: ContentLoad, content: Uint8Array | undefined): void {
    const { session, attachment, slot, id, token } = load;
    if (this.#dispatcher.attachmentOf(session) !== attachment) return;
    if (!this.#queue.holds(session, id, token)) return;
    assert(content !== undefined, "the content of a running task is missing from the store");
    const delivery = this.#queue.deliveryFrom(content, slot, token);
    if (delivery !== undefined) this.#output(session).deliveries.push(delivery);
  }

  renewed(session: string): void {
    if (this.#dispatcher.isAttached(session)) this.#output(session).renewed = true;
  }

  #output(session: string): SessionOutput {
    let output = this.#outputs.get(session);
    if (output === undefined) {
      output = { session, deliveries: [], lost: [], renewed: false, ended: false };
      this.#outputs.set(session, output);
    }
    return output;
  }
}
