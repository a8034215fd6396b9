/**
 * The person who runs the cluster: adds, promotes, removes and replaces members, one procedure at a
 * time and each step until it is done, whatever happens meanwhile; hands the leadership over. It
 * wipes at most one voter at a time, and only when enough others are left: more is beyond what any
 * cluster promises to survive.
 */
import type { NodeId } from "task-queue-raft";
import type {
  ChangeOutcome,
  ClusterMember,
  MemberChange,
  Roster,
} from "../../packages/broker/src/replica/index.ts";
import type { Procedure } from "./deeds.ts";
import type { Network } from "./network.ts";
import type { SimulatedNode } from "./node.ts";
import type { Situations } from "./situations.ts";
import type { Trace } from "./trace.ts";
import { demand } from "./violation.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface OperatorOptions {
  readonly time: VirtualTime;
  readonly nodes: readonly SimulatedNode[];
  readonly network: Network;
  readonly situations: Situations;
  readonly trace: Trace;
  /** The newest roster that is committed. */
  readonly roster: () => Roster;
  /** No change of members is uncommitted anywhere. */
  readonly isSettled: () => boolean;
}

type Step = Exclude<MemberChange, { readonly kind: "raise" }>;

/** One step of a procedure. */
interface Goal {
  readonly isReached: () => boolean;
  readonly change: Step;
  /** Before the first try. */
  readonly prepare?: () => void;
  /** Never given up: the cluster is worse off until it is done. */
  readonly mustBeDone?: boolean;
}

interface Request {
  readonly node: SimulatedNode;
  readonly life: number;
  readonly since: number;
}

const LOOK_MS = 200;
const GOAL_MS_MAX = 20_000;
const VOTERS_MAX = 5;
/** An answer must come in this time, if the process lives. */
const ANSWER_MS_MAX = 60_000;

export class Operator {
  readonly #options: OperatorOptions;
  readonly #nodes: readonly SimulatedNode[];
  readonly #requests = new Set<Request>();
  #goals: Goal[] = [];
  #goalSince = 0;
  #isPrepared = false;
  #pending: Request | undefined;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#nodes = options.nodes;
    this.#letJoin();
    this.#look();
  }

  get isIdle(): boolean {
    return this.#goals.length === 0;
  }

  /** Nodes that belong to the cluster and exist, by the newest committed roster. */
  members(): readonly SimulatedNode[] {
    return this.#options.roster().members.flatMap((member) => {
      const node = this.#node(member.id);
      return node.incarnation === member.incarnation && node.book !== undefined ? [node] : [];
    });
  }

  /** `share`: which of those that it may be about. Does nothing while another one is under way. */
  begin(procedure: Procedure, share: number): void {
    if (!this.isIdle || (takesVoters(procedure) && !this.#areAllIntact())) return;
    this.#goals = this.#goalsOf(procedure, share);
    this.#goalSince = this.#options.time.now;
    this.#isPrepared = false;
    if (this.isIdle) return;
    this.#options.trace.note("operator", () => `begins to ${procedure}`);
  }

  /** Whether a loss of its disk can be survived, and nothing is under way that needs it. */
  mayLose(node: SimulatedNode): boolean {
    const member = this.#find(node);
    if (member === undefined || !this.#isIntact(member)) return false;
    if (!this.isIdle || !this.#options.isSettled()) return false;
    const others = this.#options.roster().members.filter(({ id }) => id !== node.id);
    const left = others.filter((each) => each.voter && this.#isIntact(each));
    // A learner that has lost something may be a voter before anybody knows.
    const lost = others.filter((each) => !this.#isIntact(each));
    return left.length > lost.length + 1;
  }

  /** Nodes that vote, by the newest committed roster. */
  voters(): readonly SimulatedNode[] {
    const voters = new Set(this.#voters().map(({ id }) => id));
    return this.members().filter(({ id }) => voters.has(id));
  }

  get voterCount(): number {
    return this.#voters().length;
  }

  /** Asks for it, whether or not the members are ready. */
  raise(to: number): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    const { situations, trace } = this.#options;
    const request = this.#request(leader, (outcome) => {
      trace.note("operator", () => `raise to ${to}: ${JSON.stringify(outcome)}`);
      if (outcome.kind === "done") situations.hit("raise done");
      else if (outcome.kind === "refused") situations.hit("raise refused");
      else situations.hit("change of members with unknown outcome");
    });
    leader.input((replica) => replica.change({ kind: "raise", to }, request));
  }

  #isIntact({ id, incarnation }: ClusterMember): boolean {
    const node = this.#node(id);
    return node.incarnation === incarnation && !node.health.isHurt;
  }

  /**
   * A change that takes a voter away might need the very one that has lost its disk; a learner may
   * be one by the time that shows.
   */
  #areAllIntact(): boolean {
    return this.#options.roster().members.every((member) => this.#isIntact(member));
  }

  transfer(to: number | undefined): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    const voters = this.#voters();
    const target = to === undefined ? undefined : pick(voters, to)?.id;
    this.#options.trace.note("operator", () => `transfers to ${target ?? "anybody"}`);
    const { situations } = this.#options;
    const request = this.#request(leader, (outcome) => {
      if (outcome.kind === "done") situations.hit("leadership transferred");
      else if (outcome.kind === "refused") situations.hit("transfer refused or aborted");
      else situations.hit("transfer with unknown outcome");
    });
    leader.input((replica) => replica.transferLeadership(target, request));
  }

  /** Every question of a living process was answered. */
  checkAnswers(): void {
    for (const { node, life, since } of this.#requests) {
      const isOpen = node.alive && node.life === life;
      demand(!isOpen || this.#options.time.now < since + ANSWER_MS_MAX, "answers come", () => {
        return `${node.id} has not answered an operator's request for a minute`;
      });
    }
  }

  // ---- procedures ----

  #goalsOf(procedure: Procedure, share: number): Goal[] {
    const voters = this.#voters();
    const { members } = this.#options.roster();
    switch (procedure) {
      case "grow": {
        const learner = members.find(({ voter }) => !voter);
        if (voters.length >= VOTERS_MAX) return [];
        if (learner !== undefined && share < 0.5) return [this.#promote(this.#node(learner.id))];
        return this.#addSpare(share, true);
      }
      case "learn":
        return this.#addSpare(share, false);
      case "shrink": {
        const member = pick(members, share)!;
        if (member.voter && voters.length === 1) return [];
        return [this.#remove(this.#node(member.id))];
      }
      case "removeLeader": {
        const leader = this.#leader();
        if (leader === undefined || voters.length === 1) return [];
        this.#options.situations.hit("leader to be removed");
        return [this.#remove(leader)];
      }
      case "replace": {
        if (voters.length < 2) return [];
        const node = this.#node(pick(voters, share)!.id);
        return [this.#remove(node), this.#add(node), this.#promote(node)];
      }
      case "replaceDead":
        return this.#replaceDead(voters, share);
    }
  }

  /** A disk is lost for good; nobody else's may be. */
  #replaceDead(voters: readonly ClusterMember[], share: number): Goal[] {
    if (voters.length < 3) return [];
    // Where a change has got halfway, its quorum may need the very node that is lost.
    if (!this.#options.isSettled()) return [];
    const node = this.#node(pick(voters, share)!.id);
    this.#options.situations.hit("disk of a voter lost");
    const remove = { ...this.#remove(node), mustBeDone: true };
    node.wipe();
    return [remove, this.#add(node), this.#promote(node)];
  }

  #addSpare(share: number, isVoter: boolean): Goal[] {
    const { members } = this.#options.roster();
    const spares = this.#nodes.filter(({ id }) => !members.some((member) => member.id === id));
    const node = pick(spares, share);
    if (node === undefined) return [];
    return isVoter ? [this.#add(node), this.#promote(node)] : [this.#add(node)];
  }

  #add(node: SimulatedNode): Goal {
    // Whoever belonged to the cluster before comes back as another one.
    const prepare = () => {
      if (node.book !== undefined) node.wipe();
    };
    const change = (): Step => ({ kind: "add", member: node.self });
    const isReached = () => this.#find(node)?.incarnation === node.incarnation;
    return {
      isReached,
      prepare,
      get change() {
        return change();
      },
    };
  }

  #promote(node: SimulatedNode): Goal {
    const isReached = () => this.#find(node)?.voter === true;
    return { isReached, change: { kind: "promote", id: node.id, force: false } };
  }

  #remove(node: SimulatedNode): Goal {
    const { incarnation } = node;
    const isReached = () => this.#find(node)?.incarnation !== incarnation;
    return { isReached, change: { kind: "remove", id: node.id, force: false } };
  }

  // ---- steps ----

  #look(): void {
    const { time } = this.#options;
    time.after(LOOK_MS, () => {
      this.#work();
      this.#look();
    });
  }

  #work(): void {
    const goal = this.#goals[0];
    if (goal === undefined) return;
    const { time, situations } = this.#options;
    if (!this.#isPrepared) {
      this.#isPrepared = true;
      goal.prepare?.();
    }
    if (goal.isReached()) {
      this.#goals.shift();
      this.#goalSince = time.now;
      this.#isPrepared = false;
    } else if (goal.mustBeDone !== true && time.now > this.#goalSince + GOAL_MS_MAX) {
      situations.hit("change of members given up");
      this.#goals = [];
    } else if (!this.#isWaiting()) {
      this.#try(goal.change);
    }
  }

  #isWaiting(): boolean {
    const pending = this.#pending;
    return pending?.node.alive === true && pending.node.life === pending.life;
  }

  #try(change: Step): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    const { situations, trace } = this.#options;
    const isOwn = change.kind === "remove" && change.id === leader.id;
    const waiter = this.#request(leader, (outcome) => {
      this.#pending = undefined;
      trace.note("operator", () => `${change.kind}: ${JSON.stringify(outcome)}`);
      if (outcome.kind === "done" && isOwn) situations.hit("leader removed itself");
      else if (outcome.kind === "done") situations.hit(`${change.kind} of a member done`);
      else if (outcome.kind === "refused") situations.hit(`${change.kind} of a member refused`);
      else situations.hit("change of members with unknown outcome");
    });
    this.#pending = [...this.#requests].at(-1);
    leader.input((replica) => replica.change(change, waiter));
  }

  #request(node: SimulatedNode, answered: (outcome: ChangeOutcome) => void) {
    const request = { node, life: node.life, since: this.#options.time.now };
    this.#requests.add(request);
    return (outcome: ChangeOutcome): void => {
      demand(this.#requests.delete(request), "answers come", () => {
        return `${node.id} answers an operator's request twice`;
      });
      answered(outcome);
    };
  }

  /** Nodes with an empty disk ask whomever they reach whether they are members by now. */
  #letJoin(): void {
    const { time, situations, network } = this.#options;
    for (const node of this.#nodes) {
      if (node.book !== undefined) continue;
      const host = this.#nodes.find((other) => {
        if (!other.alive || network.isBlocked(other.id, node.id)) return false;
        return other.book?.members.some((each) => each.incarnation === node.incarnation);
      });
      if (host === undefined) continue;
      situations.hit("empty node joined");
      node.join(host.book!);
    }
    time.after(LOOK_MS, () => this.#letJoin());
  }

  #leader(): SimulatedNode | undefined {
    const leaders = this.#nodes.filter((node) => node.leads);
    const newest = Math.max(...leaders.map((node) => node.replica!.raft.term));
    return leaders.find((node) => node.replica!.raft.term === newest);
  }

  #voters(): readonly ClusterMember[] {
    return this.#options.roster().members.filter(({ voter }) => voter);
  }

  #find(node: SimulatedNode): ClusterMember | undefined {
    return this.#options.roster().members.find(({ id }) => id === node.id);
  }

  #node(id: NodeId): SimulatedNode {
    return this.#nodes.find((node) => node.id === id)!;
  }
}

function takesVoters(procedure: Procedure): boolean {
  return procedure !== "grow" && procedure !== "learn";
}

function pick<T>(from: readonly T[], share: number): T | undefined {
  return from[Math.min(from.length - 1, Math.floor(share * from.length))];
}
