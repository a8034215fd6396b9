/**
 * Whether new tasks are taken in, as far as room on the disks goes. The leader decides it for all:
 * it closes when its own disk is low, or when so many voters' disks are that those with room are no
 * quorum. Each member tells with its beacons how its disk is, and believes what the leader of its
 * term says of the intake, so a caller is refused at once wherever it asks.
 *
 * Only what makes tasks is refused, and reports with log lines, which the worker port then sends
 * again without them: they alone fill the disks. Leases, the ends of runs, cancellations and the
 * like go on, for they end tasks and write little; so does `retry`, whose task and payload are
 * here. A `complete` with children makes tasks: its run stays under way until there is room.
 */
import { type Message, type NodeId, quorumSize, type Raft } from "task-queue-raft";
import { type Command, newTasksOf } from "../queue/index.ts";
import type { Beacon } from "./output.ts";

/** What the leader of one term said. */
interface Said {
  readonly by: NodeId;
  readonly term: number;
  readonly isClosed: boolean;
}

export class Intake {
  readonly #raft: Pick<Raft, "id" | "role" | "term" | "leader" | "membership">;
  #isLow = false;
  /** Members whose disks are low, by what they said last. */
  readonly #low = new Set<NodeId>();
  #said: Said | undefined;

  constructor(raft: Pick<Raft, "id" | "role" | "term" | "leader" | "membership">) {
    this.#raft = raft;
  }

  /** This node's own disk has too little room. */
  get isLow(): boolean {
    return this.#isLow;
  }

  /** As leader: no new tasks are taken in. As follower: so the leader said last. */
  get isClosed(): boolean {
    const { role, leader, term } = this.#raft;
    if (role === "leader") return this.#isLow || !this.#hasRoomForQuorum;
    if (this.#said === undefined) return false;
    const { by, isClosed, term: inTerm } = this.#said;
    return isClosed && by === leader && inTerm === term;
  }

  /** This node leads, and what it says of the intake is so. */
  get closesForAll(): boolean {
    return this.#raft.role === "leader" && this.isClosed;
  }

  /** Is this a command that must wait for room? */
  refuses(command: Command): boolean {
    return this.isClosed && (newTasksOf(command).length > 0 || hasLines(command));
  }

  diskLow(isLow: boolean): void {
    this.#isLow = isLow;
  }

  heard(from: NodeId, { type, term }: Message, { diskLow, intakeClosed }: Beacon): void {
    if (diskLow) this.#low.add(from);
    else this.#low.delete(from);
    if (type !== "heartbeat" || from !== this.#raft.leader || term !== this.#raft.term) return;
    this.#said = { by: from, term, isClosed: intakeClosed };
  }

  /** It is no member any more; one of the same name begins anew. */
  forget(peer: NodeId): void {
    this.#low.delete(peer);
  }

  /** Whoever has not said otherwise is taken to have room. */
  get #hasRoomForQuorum(): boolean {
    if (this.#low.size === 0 && !this.#isLow) return true;
    const { voters } = this.#raft.membership;
    const withRoom = voters.filter((id) => {
      return id === this.#raft.id ? !this.#isLow : !this.#low.has(id);
    });
    return withRoom.length >= quorumSize(voters.length);
  }
}

function hasLines(command: Command): boolean {
  return command.type === "report" && command.runs.some(({ lines }) => lines.length > 0);
}
