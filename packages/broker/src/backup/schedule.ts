/**
 * Backups without anybody asking: each broker with `backup.directory` looks now and then whether
 * one is due, and whether it is its turn to make it. What is there already is read from its
 * directory and asked of the other brokers, so that neither a restart nor a change of leader makes
 * one too many, and none of them that cannot leaves a time without. What fails is told and tried
 * again.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { BackupFigures } from "../observe/metrics.ts";
import type { NodeStatus } from "../operations/broker.ts";
import type { BackupReport } from "../ports.ts";
import { writeBackup } from "./file.ts";
import { keptIn, nameOf, removeOld } from "./folder.ts";
import { readKeyFile } from "./key-file.ts";
import {
  LOOK_MS_MAX,
  LOOK_MS_MIN,
  LOOKS_PER_INTERVAL,
  RETRY_MS,
  RETRY_MS_MAX,
  TAKING_MS_MAX,
} from "./limits.ts";
import { whileRoom } from "./room.ts";
import type { Backups } from "./take.ts";
import { isTurn, orderOf, turnMs } from "./turn.ts";

export type BackupSettings = NonNullable<Config["backup"]>;

/** What the other members say, by their names; who does not answer is not in it. Never rejects. */
export type AskOthers = (signal: AbortSignal) => Promise<ReadonlyMap<string, BackupReport>>;

export interface ScheduleOptions {
  readonly settings: BackupSettings;
  readonly backups: Pick<Backups, "open">;
  /** Room that is to stay free on the disk of the directory. */
  readonly floorBytes: number;
  readonly status: () => NodeStatus;
  readonly askOthers: AskOthers;
  readonly wallMs: () => number;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly log: {
    info(fields: object, text: string): void;
    error(fields: object, text: string): void;
  };
}

/** What a look has come to. */
export type Look = "taken" | "not due" | "another's" | "failed" | "later";

export class BackupSchedule {
  readonly #options: ScheduleOptions;
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<unknown> = Promise.resolve();
  #reading: Promise<number> | undefined;
  #lastSuccessAt = 0;
  #failures = 0;
  /** Failures since the last success, and when the next one is tried. */
  #inARow = 0;
  #retryAt = 0;
  /** Monotonic: since when one is due that nobody has made, and since when this node makes one. */
  #dueSince: number | undefined;
  #makingSince: number | undefined;

  /** It looks for itself from `start` on. */
  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  get figures(): BackupFigures {
    return { lastSuccessAt: this.#lastSuccessAt, failures: this.#failures };
  }

  /** The first look comes soon: until then nothing is known of what is there. */
  start(ms = LOOK_MS_MIN): this {
    const wanted = this.#options.settings.intervalMs / LOOKS_PER_INTERVAL;
    this.#timer = setTimeout(() => {
      this.#looking = this.look().finally(() => {
        if (this.#over.signal.aborted) return;
        this.start(Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, wanted)));
      });
    }, ms).unref();
    return this;
  }

  /** One that is under way is given up. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#over.abort(new Error("this node is stopping"));
    await this.#looking;
  }

  /** For another member. Never rejects: who cannot read its directory can make none there. */
  async report(): Promise<BackupReport> {
    const newest = await this.#newest().catch(() => undefined);
    if (newest === undefined) return { state: "cannot", ageMs: undefined };
    const ageMs = newest === 0 ? undefined : this.#options.wallMs() - newest;
    return { state: this.#state(), ageMs };
  }

  /** Never rejects. */
  async look(): Promise<Look> {
    const { settings, status, log, wallMs } = this.#options;
    try {
      const reports = await this.#findNewest();
      if (!this.#isDue()) return "not due";
      if (!status().ready) return "another's";
      if (this.#isToWait()) return "later";
      if (!this.#isTurn(reports)) return "another's";
      await this.#take();
      this.#inARow = 0;
      await removeOld(settings, status().clusterId, wallMs());
      return "taken";
    } catch (error) {
      if (this.#over.signal.aborted) return "failed";
      // The directory, which is read by each look, is told of no more often than a failed attempt.
      if (this.#isToWait()) return "later";
      this.#failures++;
      this.#retryAt = wallMs() + Math.min(RETRY_MS * 2 ** this.#inARow++, RETRY_MS_MAX);
      const { message } = error as Error;
      log.error({ directory: settings.directory }, `no backup was taken: ${message}`);
      return "failed";
    }
  }

  /** The others are asked only if what is here is too old. */
  async #findNewest(): Promise<ReadonlyMap<string, BackupReport>> {
    const { settings, askOthers, wallMs } = this.#options;
    const own = await this.#newest();
    if (wallMs() - own < settings.intervalMs) {
      this.#lastSuccessAt = own;
      return new Map();
    }
    this.#over.signal.throwIfAborted();
    const reports = await askOthers(this.#over.signal);
    this.#over.signal.throwIfAborted();
    const ages = [...reports.values()].flatMap(({ ageMs }) => (ageMs === undefined ? [] : [ageMs]));
    this.#lastSuccessAt = Math.max(own, ...ages.map((ageMs) => wallMs() - ageMs));
    return reports;
  }

  /** When the newest one here was made; 0: there is none. A disk that hangs holds one reader. */
  #newest(): Promise<number> {
    const { settings, status, wallMs } = this.#options;
    this.#reading ??= keptIn(settings.directory, status().clusterId)
      .then((kept) => kept.findLast(({ at }) => at <= wallMs())?.at ?? 0)
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  #isDue(): boolean {
    const { settings, wallMs, now } = this.#options;
    const isDue = wallMs() - this.#lastSuccessAt >= settings.intervalMs;
    if (isDue) this.#dueSince ??= now();
    else this.#dueSince = undefined;
    return isDue;
  }

  /** A clock that was set back is no reason to wait for it. */
  #isToWait(): boolean {
    const now = this.#options.wallMs();
    return now < this.#retryAt && this.#retryAt - now <= RETRY_MS_MAX;
  }

  #state(): BackupReport["state"] {
    const { status, now } = this.#options;
    // After so long the disk hangs rather than writes, and another one is to try.
    if (this.#makingSince !== undefined) {
      return now() - this.#makingSince <= TAKING_MS_MAX ? "makes" : "cannot";
    }
    return status().ready && !this.#isToWait() ? "can" : "cannot";
  }

  #isTurn(reports: ReadonlyMap<string, BackupReport>): boolean {
    const { settings, status, now } = this.#options;
    const { members, nodeId: self } = status();
    const waitedMs = now() - (this.#dueSince ?? now());
    const order = orderOf(members);
    return isTurn({ order, self, reports, waitedMs, turnMs: turnMs(settings.intervalMs) });
  }

  async #take(): Promise<void> {
    this.#makingSince = this.#options.now();
    try {
      await this.#write();
    } finally {
      this.#makingSince = undefined;
    }
  }

  async #write(): Promise<void> {
    const { settings, backups, floorBytes, wallMs, log } = this.#options;
    const key = settings.keyFile === undefined ? undefined : await readKeyFile(settings.keyFile);
    await mkdir(settings.directory, { recursive: true, mode: 0o700 });
    const { header, bytes, close } = await backups.open(0, this.#over.signal);
    try {
      const at = wallMs();
      const path = join(settings.directory, nameOf(header, at));
      const roomy = whileRoom(bytes, settings.directory, floorBytes);
      const written = await writeBackup(path, roomy, { key });
      this.#lastSuccessAt = at;
      log.info({ path, ...written, index: header.index }, `took a backup: ${path}`);
    } finally {
      await close();
    }
  }
}
