/**
 * What has come in over all connections and is not answered yet, in bytes of memory. Where it would
 * be too much, whoever has sent most without ending it loses: of the address with most of that, the
 * call that is at it for longest. So those who send slowly, or never end, hold up nobody but
 * themselves, and who ends what it sends is refused only when all of the room is taken by such.
 */
import { TqError } from "task-queue-protocol";

/** A call's sender. */
export interface Sender {
  /** Whether all has come, though nobody has read it yet. */
  isDone(): boolean;
  /** Whether it may not send because nobody reads. */
  isHeldBack(): boolean;
  /** Weighs anew what has come. */
  weigh(): void;
  /** Must give back the memory that the call holds, and tell its caller why. */
  end(why: TqError): void;
}

export interface UnderWayLimits {
  readonly bytes: number;
  /** From the beginning to the end of what is sent. */
  readonly ms: number;
}

interface Group {
  /** Of what is not ended. */
  bytes: number;
  /** Those that were begun first come first. */
  readonly sending: Set<Place>;
}

export class UnderWay {
  readonly #limits: UnderWayLimits;
  readonly #groups = new Map<string, Group>();
  #bytes = 0;

  constructor(limits: UnderWayLimits) {
    this.#limits = limits;
  }

  /** Of all that is under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `name`: of senders who share their luck. */
  enter(name: string, sender: Sender): Place {
    return new Place(sender, (place, change) => this.#change(name, place, change));
  }

  /** Ends what comes too slowly, and weighs the rest. To be called now and then. */
  sweep(now: number): void {
    for (const { sending } of this.#groups.values()) {
      for (const place of sending) {
        if (now - place.sinceMs < this.#limits.ms) place.sender.weigh();
        else if (place.sender.isDone()) place.settle();
        else if (place.sender.isHeldBack()) place.begin(now);
        else place.end(TOO_SLOW);
      }
    }
  }

  #change(name: string, place: Place, { sending, held }: Change): void {
    const group = this.#groups.get(name) ?? { bytes: 0, sending: new Set() };
    this.#groups.set(name, group);
    group.bytes += sending;
    this.#bytes += sending + held;
    if (place.isSending) group.sending.add(place);
    else group.sending.delete(place);
    if (group.sending.size === 0) this.#groups.delete(name);
    if (sending + held > 0) this.#makeRoom(place);
  }

  /** Ends as it must: each turn takes one from those who send, the newcomer at the last. */
  #makeRoom(newcomer: Place): void {
    while (this.#bytes > this.#limits.bytes) {
      const victim = this.#victim();
      if (victim?.sender.isDone()) victim.settle();
      else (victim ?? newcomer).end(TOO_MUCH);
      if (victim === undefined) return;
    }
  }

  #victim(): Place | undefined {
    let largest: Group | undefined;
    for (const group of this.#groups.values()) {
      if (group.bytes > (largest?.bytes ?? 0)) largest = group;
    }
    const [oldest] = largest?.sending ?? [];
    return oldest;
  }
}

const TOO_SLOW = new TqError("invalid_request", "the request came too slowly");
const TOO_MUCH = new TqError(
  "overloaded",
  "too much is on its way in to this node; this one came slowly, or came last",
);

interface Change {
  readonly sending: number;
  readonly held: number;
}

/** What one call has under way. */
export class Place {
  readonly sender: Sender;
  readonly #changed: (place: Place, change: Change) => void;
  #sinceMs = 0;
  #isSending = false;
  #isOpen = true;
  #sending = 0;
  #held = 0;

  constructor(sender: Sender, changed: (place: Place, change: Change) => void) {
    this.sender = sender;
    this.#changed = changed;
  }

  get isSending(): boolean {
    return this.#isSending;
  }

  /** When that began which is being sent. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Its sender sends from now on: it is the youngest of all. */
  begin(now: number): void {
    if (!this.#isOpen) return;
    const bytes = this.#sending;
    this.settle();
    this.#sinceMs = now;
    this.#isSending = true;
    this.weigh(bytes);
  }

  /** What has come of what is being sent takes so much. */
  weigh(bytes: number): void {
    if (!this.#isOpen || !this.#isSending) return;
    const sending = bytes - this.#sending;
    this.#sending = bytes;
    this.#changed(this, { sending, held: 0 });
  }

  /** It is all here: nobody waits for its sender any more. */
  settle(): void {
    if (!this.#isSending) return;
    const sending = -this.#sending;
    this.#sending = 0;
    this.#isSending = false;
    this.#changed(this, { sending, held: 0 });
  }

  /** Keeps so much more, or with a negative number less, of what is all here. */
  hold(bytes: number): void {
    if (!this.#isOpen) return;
    this.#held += bytes;
    this.#changed(this, { sending: 0, held: bytes });
  }

  end(why: TqError): void {
    if (!this.#isOpen) return;
    this.leave();
    this.sender.end(why);
  }

  leave(): void {
    if (!this.#isOpen) return;
    this.settle();
    this.#isOpen = false;
    const held = -this.#held;
    this.#held = 0;
    this.#changed(this, { sending: 0, held });
  }
}
