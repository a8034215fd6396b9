/**
 * The way back of a node that has lost what it had promised: it never takes part again as who it
 * was. It asks, again and again, until the leader has removed its former incarnation and added a
 * new one, then gives up what is left on its disk, joins as a learner, and asks for its vote. What
 * stands in the file survives a crash at any point; everything else is asked anew.
 */
import type { RejoinRequest, Roster } from "../../packages/broker/src/replica/index.ts";
import type { SimulatedNode } from "./node.ts";
import type { RejoinAnswer } from "./rejoin-desk.ts";
import type { Situations } from "./situations.ts";
import type { Trace } from "./trace.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What is durable of the way back. */
interface RejoinFile {
  readonly former: string;
  readonly incarnation: string;
  readonly reason: string;
  readonly since: number;
  readonly confirmed: boolean;
  readonly wasVoter: boolean;
  /** The new incarnation has a disk of its own. */
  readonly hasJoined: boolean;
}

/** The call to another node; `answered` may never be called. */
export type AskToRejoin = (
  asker: SimulatedNode,
  request: RejoinRequest,
  answered: (answer: RejoinAnswer) => void,
) => void;

export interface RecoveryOptions {
  readonly node: SimulatedNode;
  readonly time: VirtualTime;
  readonly situations: Situations;
  readonly trace: Trace;
}

const ASK_EVERY_MS = 700;
/** No answer within this time: it asks somebody else. */
const ANSWER_MS_MAX = 5000;

export class Recovery {
  readonly #options: RecoveryOptions;
  ask: AskToRejoin | undefined;
  #file: RejoinFile | undefined;
  /** Of the process that asks; answers to an earlier one are lost. */
  #process = 0;
  #isWaiting = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** It has lost data, and the new incarnation does not run yet. */
  get isAsking(): boolean {
    return this.#file?.hasJoined === false;
  }

  get isUnderWay(): boolean {
    return this.#file !== undefined;
  }

  describe(): string {
    if (this.#file === undefined) return "";
    const { former, hasJoined, confirmed, reason } = this.#file;
    const phase = hasJoined ? "joining" : confirmed ? "confirmed" : "asking";
    return ` recovering from ${former} (${phase}; ${reason})`;
  }

  /** Damage was found at a start; `incarnation`: the one to come. */
  begin(reason: string, incarnation: string): void {
    const { node, time, trace, situations } = this.#options;
    // Its new disk may be damaged before it votes again; then it still wants its vote.
    const wasVoter = this.#file?.wasVoter ?? false;
    if (this.#file !== undefined) situations.hit("damaged again before it had recovered");
    trace.note(node.id, () => `is on its way back as ${incarnation}: ${reason}`);
    const former = node.incarnation;
    const state = { confirmed: false, wasVoter, hasJoined: false };
    this.#file = { former, incarnation, reason, since: time.now, ...state };
    this.resume();
  }

  /** A process starts that finds the file. */
  resume(): void {
    const process = ++this.#process;
    this.#isWaiting = false;
    this.#later(process, 0);
  }

  /** The process dies; another one starts after a while. */
  interrupt(downMs: number): void {
    const process = ++this.#process;
    this.#options.situations.hit("crash on the way back");
    this.#options.time.after(downMs, () => {
      if (process === this.#process) this.resume();
    });
  }

  /** Somebody else has settled what becomes of this node. */
  cancel(): void {
    this.#file = undefined;
    this.#process++;
  }

  #later(process: number, ms: number): void {
    this.#options.time.after(ms, () => {
      if (process !== this.#process || this.#file === undefined) return;
      this.#work(process);
      this.#later(process, ASK_EVERY_MS);
    });
  }

  #work(process: number): void {
    const { node, time } = this.#options;
    const file = this.#file!;
    if (this.#isWaiting || (file.hasJoined && !node.alive)) return;
    const { former, hasJoined } = file;
    // A new incarnation that is listed no more was removed by a person.
    const confirmed = file.confirmed && !hasJoined;
    const member = { ...node.self, incarnation: file.incarnation };
    const wish = hasJoined ? "voter" : "learner";
    this.#isWaiting = true;
    let isOpen = true;
    const close = (): boolean => {
      const wasOpen = isOpen && process === this.#process;
      if (wasOpen) this.#isWaiting = false;
      isOpen = false;
      return wasOpen;
    };
    time.after(ANSWER_MS_MAX, close);
    this.ask?.(node, { former, member, wish, confirmed }, (answer) => {
      if (close()) this.#answered(answer);
    });
  }

  #answered(answer: RejoinAnswer): void {
    const { trace, node } = this.#options;
    const file = this.#file!;
    trace.note(node.id, () => `on its way back hears: ${JSON.stringify(answer)}`);
    if (answer.kind === "confirm") {
      this.#file = { ...file, confirmed: true, wasVoter: file.wasVoter || answer.voter };
    } else if (answer.kind === "done") {
      if (file.hasJoined) this.#end();
      else this.#join(answer.roster);
    } else if (answer.kind === "refused") {
      this.cancel();
      node.retire();
    }
  }

  /** Only now, when the others list the new incarnation, does the disk lose what it holds. */
  #join(roster: Roster): void {
    const { situations, node } = this.#options;
    situations.hit("new incarnation of a damaged node joined");
    const file = this.#file!;
    const joined = { ...file, hasJoined: true };
    this.#file = joined;
    node.startAnew(file.incarnation, roster);
    if (file.wasVoter) this.resume();
    else this.#end();
  }

  #end(): void {
    const { situations, time, node, trace } = this.#options;
    const { since, wasVoter } = this.#file!;
    trace.note(node.id, () => `has recovered after ${Math.round(time.now - since)} ms`);
    situations.hit(wasVoter ? "damaged voter recovered" : "damaged learner recovered");
    this.cancel();
  }
}
