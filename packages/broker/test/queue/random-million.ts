/**
 * A long life of one queue machine: random commands with all features of version 3, flushes that
 * begin and end anywhere, restarts that lose what was not flushed. A twin applies the same log from
 * its first entry on, flushes at other times, and is never restarted: their hashes must be equal
 * all the time, and what they hold at the end. Ends with 1 at the first difference, and prints how
 * often each thing happened. A script, here for 50,000 commands (else a million) of seed 7:
 *
 *   npx rolldown packages/broker/test/queue/random-million.ts --platform node -o /tmp/million.mjs
 *   node /tmp/million.mjs 50000 7
 */
import { inspect, isDeepStrictEqual } from "node:util";
import { decodeBatch, encodeBatch } from "../../src/queue/codec/batch.ts";
import type { Command } from "../../src/queue/command.ts";
import { ENTRY_END, type FeedPosition } from "../../src/queue/feed.ts";
import { CONTENT, FINISHED, keyText, LIVE } from "../../src/queue/keys.ts";
import { QueueMachine } from "../../src/queue/machine.ts";
import type { Flush, RecordReader } from "../../src/queue/records.ts";
import type { TaskId, TaskView } from "../../src/queue/task.ts";
import type { KeyRange } from "../../src/queue/view.ts";
import { type Entry, START } from "./harness.ts";
import { hex } from "./naive-state.ts";
import { RandomCommands, STEPS_MS } from "./random-commands.ts";
import type { Known, KnownTask, Step } from "./random-later.ts";

const COMMANDS = Number(process.argv[2] ?? 1_000_000);
const SEED = Number(process.argv[3] ?? 1);
/** Tasks that commands are about; older ones are left to timers, jobs and parents. */
const KNOWN_MAX = 200;
/** Beyond so many unfinished tasks the commands see to it that some end. */
const LIVE_MAX = 150;
const CHECK_EVERY = 2_000;
const TWIN_FLUSH_EVERY = 7_001;
const VERSION = 3;

/** Records by their first byte, so that a restart does not sort the whole history. */
class Store implements RecordReader {
  readonly #kinds = new Map<number, Map<string, Entry>>();

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#kind(key).get(keyText(key))?.[1];
  }

  write({ writes }: Flush): void {
    for (const { key, value } of writes) {
      if (value === undefined) this.#kind(key).delete(keyText(key));
      else this.#kind(key).set(keyText(key), [key.slice(), value.slice()]);
    }
  }

  scan({ gte, lt }: KeyRange): Entry[] {
    const found = [...this.#kind(gte)].filter(([key]) => key >= keyText(gte) && key < keyText(lt));
    return found.sort(([one], [other]) => (one < other ? -1 : 1)).map(([, entry]) => entry);
  }

  all(): Map<string, Entry> {
    return new Map([...this.#kinds.values()].flatMap((kind) => [...kind]));
  }

  #kind(key: Uint8Array): Map<string, Entry> {
    const kind = this.#kinds.get(key[0]!) ?? new Map<string, Entry>();
    this.#kinds.set(key[0]!, kind);
    return kind;
  }
}

/** A machine that is flushed and restarted, with the part of its log that a restart needs. */
class Subject {
  readonly store = new Store();
  machine = new QueueMachine(this.store, 0, undefined, 8);
  now = START;
  restarts = 0;
  #log: (Uint8Array | number)[] = [];
  /** Index of the entry before the first of `#log`. */
  #base = 0;
  #unwritten: Flush | undefined;

  take(entry: Uint8Array | number): void {
    this.#log.push(entry);
    replay(this.machine, this.#base + this.#log.length, entry);
  }

  beginFlush(): void {
    this.#unwritten ??= this.machine.beginFlush();
  }

  endFlush(): void {
    if (this.#unwritten === undefined) return;
    this.store.write(this.#unwritten);
    this.#log = this.#log.slice(this.#unwritten.applied - this.#base);
    this.#base = this.#unwritten.applied;
    this.#unwritten = undefined;
    this.machine.flushed();
  }

  restart(): void {
    const { effectHash } = this.machine;
    this.#unwritten = undefined;
    this.machine = load(this.store);
    for (const [at, entry] of this.#log.entries()) {
      replay(this.machine, this.#base + at + 1, entry);
    }
    this.machine.events.splice(0);
    this.restarts++;
    if (this.machine.effectHash !== effectHash) fail("a restart came to another hash");
  }
}

/** Tasks as the feed and the machine tell of them. */
class Sight implements Known {
  readonly version = VERSION;
  readonly happened = new Map<string, number>();
  readonly #subject: Subject;
  readonly #tasks = new Map<string, KnownTask>();
  #list: readonly KnownTask[] | undefined;
  #position: FeedPosition = { index: 0, ordinal: ENTRY_END };

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  get now(): number {
    return this.#subject.machine.clock;
  }

  get jobs(): Known["jobs"] {
    return this.#subject.machine.jobs();
  }

  get tasks(): readonly KnownTask[] {
    this.#list ??= [...this.#tasks.values()];
    return this.#list;
  }

  find(id: TaskId): KnownTask | undefined {
    return this.#tasks.get(hex(id));
  }

  /** Hears what the newest entry did. */
  look(): void {
    const { machine } = this.#subject;
    const page = machine.feed.read(this.#position, 100_000);
    if (page.kind === "compacted") fail("the feed is compacted");
    this.#position = page.next;
    for (const { id, kind, state } of page.events) {
      this.count(kind === "submitted" || kind === "unblocked" ? `${kind}: ${state}` : kind);
      this.#see(id, machine.task(id));
    }
    if (page.events.length > 0) this.#list = undefined;
    for (const key of this.#tasks.keys()) {
      if (this.#tasks.size <= KNOWN_MAX) break;
      this.#tasks.delete(key);
    }
  }

  count(what: string): void {
    this.happened.set(what, (this.happened.get(what) ?? 0) + 1);
  }

  #see(id: TaskId, view: TaskView | undefined): void {
    const known = this.find(id);
    if (view === undefined) {
      if (known !== undefined) this.#tasks.set(hex(id), { ...known, deleted: true });
      return;
    }
    const { content, state, attempts, dueAt, finishedAt, error } = view;
    const waits = state === "blocked" ? content.dependsOn.map(hex) : [];
    const isDeleted = { deleted: false };
    const task = { id, content, state, attempts: [...attempts], dueAt, finishedAt, error, waits };
    this.#tasks.set(hex(id), { ...task, ...isDeleted });
    if (state === "dead" && error?.message.includes("parent")) this.count("doomed");
  }
}

function load(store: Store): QueueMachine {
  const machine = new QueueMachine(store, 0, undefined, 8);
  for (const range of QueueMachine.BOOT_RANGES) machine.load(store.scan(range));
  machine.loaded();
  return machine;
}

function replay(machine: QueueMachine, index: number, entry: Uint8Array | number): void {
  if (typeof entry !== "number") {
    machine.apply(index, decodeBatch(entry));
    return;
  }
  machine.skip(index);
  machine.raise(entry);
}

function fail(what: string): never {
  console.error(`seed ${SEED}, after ${done} commands: ${what}`);
  process.exit(1);
}

/** Mulberry32. */
function dice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const roll = dice(SEED);
const subject = new Subject();
const twinStore = new Store();
const twin = new QueueMachine(twinStore);
const sight = new Sight(subject);
const source = new RandomCommands(subject, sight);
let done = 0;

function enter(entry: Uint8Array | number): void {
  subject.take(entry);
  replay(twin, twin.applied + 1, entry);
  subject.machine.events.splice(0);
  twin.events.splice(0);
  if (subject.machine.effectHash !== twin.effectHash) fail("the twin has another hash");
}

/** The oldest tasks end, and nothing holds the others back. */
function relief({ a, b }: Step): Command {
  const oldest = subject.machine.listLive({}, undefined, 1, 10).tasks[0];
  if (a % 4 === 0 && oldest !== undefined) return { type: "cancel", id: oldest.id, reason: "" };
  const running = sight.tasks.filter(({ state }) => state === "running");
  const one = running[b % running.length];
  if (a % 4 === 1 && one !== undefined) {
    const token = one.attempts.at(-1)!.token;
    return { type: "complete", id: one.id, token, result: new Uint8Array(0), resultType: "json" };
  }
  return { type: "lease", session: source.sessions[a % 3]!, count: 4 };
}

function act(): void {
  const kind = roll(100);
  const step: Step = { kind, a: roll(1000), b: roll(1000), c: roll(1000), d: roll(1000) };
  if (kind < 3) subject.beginFlush();
  else if (kind < 6) subject.endFlush();
  else if (kind === 6 && step.a < 400) subject.restart();
  else if (kind < 17) subject.now += STEPS_MS[step.a % STEPS_MS.length]!;
  else command(step);
}

function command(step: Step): void {
  const live = subject.machine.listLive({}, undefined, LIVE_MAX + 1, LIVE_MAX + 1).tasks.length;
  const isFull = live > LIVE_MAX && step.b % 2 === 0;
  const given = isFull ? relief(step) : source.command(step);
  if (source.ids.length > KNOWN_MAX) source.ids.splice(0, KNOWN_MAX / 2);
  enter(encodeBatch({ at: subject.now, commands: [given] }));
  sight.look();
  sight.count(`command ${given.type}`);
  done++;
  if (done % TWIN_FLUSH_EVERY === 0) flush(twin, twinStore);
  if (done % CHECK_EVERY === 0) check();
}

function check(): void {
  subject.machine.checkInvariants();
  twin.checkInvariants();
  if (done % (CHECK_EVERY * 25) === 0)
    console.log(`${done} commands, ${subject.restarts} restarts`);
}

function flush(machine: QueueMachine, store: Store): void {
  store.write(machine.beginFlush());
  machine.flushed();
}

/** Where the two differ: in records, or, of what is stored in two ways, in what they say. */
function difference(): string | undefined {
  const [ours, theirs] = [subject.store.all(), twinStore.all()];
  for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
    const name = Buffer.from(key, "latin1");
    const isTask = name[0] === FINISHED || name[0] === LIVE;
    // Of a finished task the content has a record of its own if it was flushed before the end.
    if (name[0] === CONTENT) continue;
    const here = isTask ? told(subject.machine, name.subarray(2)) : text(ours.get(key));
    const there = isTask ? told(twin, name.subarray(2)) : text(theirs.get(key));
    if (isDeepStrictEqual(here, there)) continue;
    return `${name.toString("hex")}: ${inspect(here)} and ${inspect(there)}`;
  }
  return undefined;
}

function text(entry: Entry | undefined): string {
  return entry === undefined ? "none" : hex(entry[1]);
}

/** All of it but the place in memory. */
function told(machine: QueueMachine, id: TaskId): unknown {
  const { lease, ...task } = machine.task(id) ?? {};
  return { ...task, deadline: lease?.deadline, lines: machine.logLines(id, 0, 1000) };
}

enter(VERSION);
while (done < COMMANDS) act();
subject.endFlush();
subject.beginFlush();
subject.endFlush();
flush(twin, twinStore);
check();
const differs = difference();
if (differs !== undefined) fail(`the two differ in ${differs}`);
subject.restart();
for (const [what, count] of [...sight.happened].sort()) console.log(`${count}`.padStart(9), what);
console.log(`${done} commands, ${subject.restarts} restarts, hash ${subject.machine.effectHash}`);
