/**
 * One worker's session as this connection carries it, from `register` on: the channel through which
 * the dispatcher speaks to the worker. It outlives nothing: when the connection goes, the session
 * itself lives on in the queue until its lease is over, and the worker may take it up again
 * elsewhere.
 */
import type { Register as RegisterMessage, SentMessage } from "task-queue-protocol";
import { type TqError, WINDOW_MAX } from "task-queue-protocol";
import type { SessionChannel } from "../operations/broker.ts";
import { outcomeToError } from "../operations/outcome-to-error.ts";
import type { Delivery, LeaseLostEvent } from "../queue/index.ts";
import { checkRegister } from "./check-register.ts";
import { DeliveryQueue } from "./delivery-queue.ts";
import type { Peer, PortContext } from "./port.ts";
import { asTqError, errorMessage } from "./refusal.ts";

type State =
  /** `register` is under way. */
  | "joining"
  | "attached"
  /** This broker does not lead, or no longer. */
  | "moved"
  /** Refused, lapsed, or good-bye was said. */
  | "over";

export class WorkerSession implements SessionChannel {
  readonly id: string;
  readonly #port: PortContext;
  readonly #peer: Peer;
  readonly #deliveries = new DeliveryQueue();
  #state: State = "joining";
  /** Request ids of the oldest and of the newest heartbeat without an ack; 0 = none. */
  #oldestBeat = 0;
  #newestBeat = 0;
  #window: number;
  /** Messages that the dispatcher sends before `registered` has gone out. */
  #held: SentMessage[] | undefined = [];

  constructor(port: PortContext, peer: Peer, message: RegisterMessage) {
    this.#port = port;
    this.#peer = peer;
    this.id = message.session;
    this.#window = message.window;
  }

  /** Reports go by way of the session exactly while it is attached. */
  get isAttached(): boolean {
    return this.#state === "attached";
  }

  /** May another `register` follow on this connection? */
  get isOver(): boolean {
    return this.#state === "over" || this.#state === "moved";
  }

  register(requestId: number, message: RegisterMessage, version: string): void {
    const { broker, leaseMs } = this.#port;
    if (broker.status().role !== "leader") {
      this.#sendElsewhere(requestId);
      return;
    }
    let command: ReturnType<typeof checkRegister>;
    try {
      command = checkRegister(message, version, leaseMs);
    } catch (error) {
      this.#refuse(requestId, asTqError(error));
      return;
    }
    broker.request(command, (outcome) => {
      if (this.#state !== "joining" || this.#peer.signal.aborted) return;
      const refusal = outcomeToError(outcome);
      if (refusal?.code === "no_leader") this.#sendElsewhere(requestId);
      else if (refusal !== undefined) this.#refuse(requestId, refusal);
      else this.#attach(requestId, message.held);
    });
  }

  /** Before the session is attached it is remembered until then. */
  setWindow(window: number): void {
    this.#window = Math.min(window, WINDOW_MAX);
    if (this.isAttached) this.#port.broker.setWindow(this.id, this.#window);
  }

  beat(requestId: number): void {
    if (this.#state === "moved") this.#sendElsewhere(requestId);
    else if (this.#state === "over") this.#peer.send(0, { kind: "sessionEnded" });
    else if (this.#oldestBeat === 0) this.#oldestBeat = requestId;
    else this.#newestBeat = requestId;
    if (this.isAttached) this.#port.broker.beat(this.id);
  }

  /** Good-bye: the leases are released at once. */
  bye(requestId: number): void {
    this.#port.broker.request({ type: "unregister", session: this.id }, (outcome) => {
      const refusal = outcomeToError(outcome);
      if (refusal !== undefined) {
        this.#peer.send(requestId, errorMessage(refusal));
        return;
      }
      this.#leave("over");
      this.#peer.send(requestId, { kind: "reported", results: [{ ok: true, duplicate: false }] });
    });
  }

  /** The connection is gone or is taken over. */
  detach(): void {
    this.#leave("over");
  }

  /** Puts waiting deliveries into frames while the worker keeps up. */
  pump(): void {
    if (!this.isAttached || this.#held !== undefined) return;
    const { outboundHighBytes } = this.#port.limits;
    const now = this.#port.broker.clock();
    while (this.#deliveries.length > 0 && this.#peer.unsentBytes < outboundHighBytes) {
      this.#peer.send(0, { kind: "deliver", tasks: this.#deliveries.take(now) });
    }
  }

  // What the dispatcher says.

  deliver(deliveries: readonly Delivery[]): void {
    // A key that has ended gets nothing more, even before its connection is looked at.
    if (this.isOver || !this.#peer.mayWork()) return;
    this.#deliveries.push(deliveries);
    this.pump();
  }

  leaseLost(events: readonly LeaseLostEvent[]): void {
    if (this.isOver) return;
    this.#deliveries.drop(new Set(events.map(({ token }) => token)));
    const leases = events.map(({ id, token, reason }) => ({ id, token, reason }));
    this.#tell({ kind: "leaseLost", leases });
  }

  /**
   * Only the oldest is certain to be in what was committed: a later one may have come while the
   * commit was under way. It is counted again, and acknowledged the next time.
   */
  renewed(): void {
    if (this.#oldestBeat === 0 || !this.isAttached) return;
    this.#peer.send(this.#oldestBeat, { kind: "heartbeatAck" });
    this.#oldestBeat = this.#newestBeat;
    this.#newestBeat = 0;
    if (this.#oldestBeat !== 0) this.#port.broker.beat(this.id);
  }

  ended(): void {
    if (this.isOver) return;
    this.#tell({ kind: "sessionEnded" });
    this.#leave("over");
  }

  leaderChanged(address: string | undefined): void {
    if (this.isOver) return;
    this.#tell({ kind: "notLeader", address: address ?? "" });
    this.#leave("moved");
  }

  #attach(requestId: number, held: readonly number[]): void {
    const { broker, heartbeatMs, sessions } = this.#port;
    sessions.get(this.id)?.replaced(this);
    const attached = broker.attach(this.id, held, this);
    if (attached === undefined) {
      this.#sendElsewhere(requestId);
      return;
    }
    const { leaseMs, lost } = attached;
    this.#peer.send(requestId, { kind: "registered", leaseMs, heartbeatMs, lost });
    for (const message of this.#held ?? []) this.#peer.send(0, message);
    this.#held = undefined;
    // The dispatcher may have ended it, or ceased to lead, while it attached.
    if (this.#state !== "joining") return;
    sessions.set(this.id, this);
    this.#state = "attached";
    broker.setWindow(this.id, Math.min(this.#window, WINDOW_MAX));
    if (this.#oldestBeat !== 0) broker.beat(this.id);
    this.pump();
  }

  /** The worker has registered through another connection: this one is a leftover. */
  replaced(by: WorkerSession): void {
    if (by.#peer === this.#peer) return;
    this.#leave("over");
    this.#peer.refuse("state_conflict", "the session was taken up through another connection");
  }

  #tell(message: SentMessage): void {
    if (this.#held === undefined) this.#peer.send(0, message);
    else this.#held.push(message);
  }

  #refuse(requestId: number, error: TqError): void {
    this.#leave("over");
    this.#peer.send(requestId, errorMessage(error));
  }

  #sendElsewhere(requestId: number): void {
    const { broker } = this.#port;
    const { leader } = broker.status();
    const address = leader === undefined || leader.id === broker.nodeId ? "" : leader.address;
    this.#leave("moved");
    this.#peer.send(requestId, { kind: "notLeader", address });
  }

  #leave(state: "moved" | "over"): void {
    const { broker, sessions } = this.#port;
    const wasAttached = this.#state === "attached";
    this.#state = state;
    this.#deliveries.clear();
    if (!wasAttached) return;
    if (sessions.get(this.id) === this) sessions.delete(this.id);
    broker.detach(this.id, this);
  }
}
