/**
 * Takes in the writes of this node's callers and those that other nodes forward, and gives out the
 * answers: to the callers here, or back to the nodes that forwarded them.
 */
import type { EntryId, NodeId, Raft } from "task-queue-raft";
import {
  type Command,
  decodeCommand,
  encodeReply,
  type Refused,
  type Reply,
} from "../queue/index.ts";
import { sortAnswers } from "./answers.ts";
import type { Compaction } from "./compaction.ts";
import type { Intake } from "./intake.ts";
import type { Machinery } from "./machinery.ts";
import type { Forward, ForwardReply, Outcome, Outputs } from "./output.ts";
import { type Answer, endsLease, type Origin, type Requests } from "./requests.ts";
import { refuseTooEarly } from "./versions.ts";

type Told<W> = Pick<Outputs<W, unknown>, "outcomes" | "forwardReplies">;

const TOO_MANY = "too many writes are waiting on this node; slow down and try again";
const DISK_FULL = {
  kind: "refused",
  code: "disk_full",
  message:
    "the disks of too many brokers are nearly full (persistence.min_free_disk): make room there; " +
    "tasks that are here already are worked off meanwhile",
} as const;
const LOG_FULL = "the log is full until a member has received its snapshot; try again later";

export class Writes<W> {
  readonly #raft: Raft;
  readonly #requests: Requests<W>;
  readonly #compaction: Compaction;
  readonly #intake: Intake;
  /** The newest request that each node has forwarded on its present stream. */
  readonly #newest = new Map<NodeId, number>();
  #answers: Answer<W>[] = [];
  #told: Told<W> = { outcomes: [], forwardReplies: [] };

  constructor(raft: Raft, requests: Requests<W>, compaction: Compaction, intake: Intake) {
    this.#raft = raft;
    this.#requests = requests;
    this.#compaction = compaction;
    this.#intake = intake;
  }

  /** Puts what there is to tell into the outputs of a turn. */
  take(out: Told<W>): void {
    out.outcomes = this.#told.outcomes;
    out.forwardReplies = this.#told.forwardReplies;
    this.#told = { outcomes: [], forwardReplies: [] };
  }

  /** `session`: on behalf of this attached worker session. */
  request(
    { queue, dispatcher }: Machinery,
    command: Command,
    waiter: W,
    session: string | undefined,
    now: number,
  ): void {
    // What its worker resends may have been applied before: then it frees nothing any more.
    const freed =
      session !== undefined && endsLease(command) && queue.holds(session, command.id, command.token)
        ? session
        : undefined;
    const early = refuseTooEarly(command, queue.version);
    if (early !== undefined) {
      this.#told.outcomes.push({ waiter, outcome: repliedHere(early, queue.applied) });
      return;
    }
    if (this.#intake.refuses(command)) {
      this.#told.outcomes.push({ waiter, outcome: DISK_FULL });
      return;
    }
    const refusal = this.#isFull ? LOG_FULL : undefined;
    const origin = { kind: "local", waiter, session: freed } as const;
    if (refusal !== undefined || this.#requests.add(origin, command, now) === undefined) {
      const outcome = {
        kind: "refused",
        code: "overloaded",
        message: refusal ?? TOO_MANY,
      } as const;
      this.#told.outcomes.push({ waiter, outcome });
    } else if (freed !== undefined) {
      dispatcher.countEnding(freed, 1);
    }
  }

  /**
   * Only a leader takes them, and only while it has room. What is not taken is given back at once;
   * by that its sender knows that nothing was done. So nothing is said of a repetition: the first
   * copy may have been taken.
   */
  forwards({ queue }: Machinery, from: NodeId, forwards: readonly Forward[], now: number): void {
    const refused: ForwardReply[] = [];
    const takes = this.#raft.role === "leader" && !this.#isFull;
    for (const { requestId, command: bytes } of forwards) {
      const origin = { kind: "remote", peer: from, requestId } as const;
      const command = decodeCommand(bytes);
      const early = takes ? refuseTooEarly(command, queue.version) : undefined;
      const isTaken = early === undefined && takes && this.#takeForward(origin, command, now);
      const isRepeated = requestId <= (this.#newest.get(from) ?? -1);
      if (!isRepeated) this.#newest.set(from, requestId);
      if (early !== undefined) {
        const outcome = { reply: encodeReply(early), index: queue.applied };
        refused.push({ requestId, outcome });
        continue;
      }
      if (!isTaken && !isRepeated) refused.push({ requestId, outcome: undefined });
    }
    if (refused.length > 0) this.#told.forwardReplies.push({ to: from, replies: refused });
  }

  forwardReplies(replies: readonly ForwardReply[], now: number): void {
    this.#requests.forwardAnswered(replies, now, this.#answers);
  }

  applied(machinery: Machinery, id: EntryId, replies: readonly Reply[]): void {
    this.#requests.applied(id, replies, this.#answers);
    this.#answer(machinery);
  }

  /** Answers what has been answered elsewhere, and those whose time is over. */
  expire(machinery: Machinery, now: number): void {
    this.#requests.expire(now, this.#answers);
    if (this.#intake.isClosed) {
      this.#requests.refuse((command) => this.#intake.refuses(command), DISK_FULL, this.#answers);
    }
    this.#answer(machinery);
  }

  /** The stream of a peer to this node is a new one, and perhaps that peer's process. */
  peerConnected(peer: NodeId): void {
    this.#newest.delete(peer);
    // What was on its way on the old stream may be lost; every command can be sent again.
    if (peer === this.#raft.leader) this.leaderChanged();
  }

  leaderChanged(): void {
    this.#requests.leaderChanged();
  }

  nextDeadline(): number {
    return this.#requests.nextDeadline();
  }

  /** As leader: the log may not grow before a member has received its snapshot. */
  get #isFull(): boolean {
    return this.#raft.role === "leader" && this.#compaction.isOverfull;
  }

  /** A node that has not heard yet that the intake is closed keeps what it is given back. */
  #takeForward(origin: Origin<W>, command: Command, now: number): boolean {
    return !this.#intake.refuses(command) && this.#requests.add(origin, command, now) !== undefined;
  }

  #answer({ dispatcher }: Machinery): void {
    if (this.#answers.length === 0) return;
    for (const { request } of this.#answers) {
      const { origin } = request;
      if (origin.kind !== "local" || origin.session === undefined) continue;
      dispatcher.countEnding(origin.session, -1);
    }
    const { outcomes, forwardReplies } = sortAnswers(this.#answers);
    for (const each of outcomes) this.#told.outcomes.push(each);
    for (const each of forwardReplies) {
      // Before it answers its caller, that node applies what it was asked to write.
      this.#raft.announceCommit(each.to);
      this.#told.forwardReplies.push(each);
    }
    this.#answers = [];
  }
}

/** An answer that no entry was needed for. */
function repliedHere(reply: Refused, index: number): Outcome {
  return { kind: "applied", reply, index };
}
