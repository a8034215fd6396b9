/**
 * Backups without anybody asking: each broker with `backup.directory` looks now and then whether
 * one is due and whether it is the one to take it, a follower that is up to date if there is one.
 * What is due is read from the directory, so that neither a restart nor a change of leader makes
 * one too many or one too few where brokers share it. What fails is told and tried again.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { BackupFigures } from "../observe/metrics.ts";
import type { MemberStatus, NodeStatus } from "../operations/broker.ts";
import { CAUGHT_UP_ENTRIES } from "../replica/limits.ts";
import { writeBackup } from "./file.ts";
import type { BackupHeader } from "./format.ts";
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

export type BackupSettings = NonNullable<Config["backup"]>;

export interface ScheduleOptions {
  readonly settings: BackupSettings;
  readonly backups: Pick<Backups, "open">;
  /** Room that is to stay free on the disk of the directory. */
  readonly floorBytes: number;
  readonly status: () => NodeStatus;
  readonly wallMs: () => number;
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
  #lastSuccessAt = 0;
  #failures = 0;
  /** Failures since the last success, and when the next one is tried. */
  #inARow = 0;
  #retryAt = 0;

  /** It looks for itself from `start` on. */
  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  get figures(): BackupFigures {
    return { lastSuccessAt: this.#lastSuccessAt, failures: this.#failures };
  }

  start(): this {
    const wanted = this.#options.settings.intervalMs / LOOKS_PER_INTERVAL;
    const ms = Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, wanted));
    this.#timer = setTimeout(() => {
      this.#looking = this.look().finally(() => {
        if (!this.#over.signal.aborted) this.start();
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

  /** Never rejects. */
  async look(): Promise<Look> {
    const { settings, status, wallMs, log } = this.#options;
    try {
      const now = status();
      const kept = await keptIn(settings.directory, now.clusterId);
      const newest = kept.findLast(({ at }) => at <= wallMs())?.at ?? 0;
      this.#lastSuccessAt = newest;
      if (wallMs() - newest < settings.intervalMs) return "not due";
      if (!now.ready || chosen(now) !== now.nodeId) return "another's";
      // A clock that was set back is no reason to wait for it.
      if (wallMs() < this.#retryAt && this.#retryAt - wallMs() <= RETRY_MS_MAX) return "later";
      await this.#take();
      this.#inARow = 0;
      await removeOld(settings, now.clusterId, wallMs());
      return "taken";
    } catch (error) {
      if (this.#over.signal.aborted) return "failed";
      this.#failures++;
      this.#retryAt = wallMs() + Math.min(RETRY_MS * 2 ** this.#inARow++, RETRY_MS_MAX);
      const { message } = error as Error;
      log.error({ directory: settings.directory }, `no backup was taken: ${message}`);
      return "failed";
    }
  }

  async #take(): Promise<void> {
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

/** Who is to take it. Members that cannot agree may both do it, which costs room and no more. */
export function chosen({ members, nodeId }: Pick<NodeStatus, "members" | "nodeId">): string {
  const fit = members.filter(isFit).map(({ id }) => id);
  const leader = members.find(({ role }) => role === "leader");
  return fit.sort((a, b) => (a < b ? -1 : 1))[0] ?? leader?.id ?? nodeId;
}

function isFit({ role, healthy, lag = 0 }: MemberStatus): boolean {
  return role === "follower" && healthy && lag <= CAUGHT_UP_ENTRIES;
}

interface Kept {
  readonly name: string;
  /** ms. */
  readonly at: number;
}

const CLUSTER_DIGITS = 8;
const NAME = /^tq-([0-9a-f]{1,8})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-\d+\.backup$/;
const PART = /^\.tq-[0-9a-f]{1,8}-\d{8}T\d{6}Z-\d+\.backup\.[0-9a-f]{8}\.part$/;

/** `tq-7a0bc5c0-20260131T235959Z-1234.backup`. */
function nameOf({ cluster_id, index }: BackupHeader, at: number): string {
  const time = new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, "");
  return `tq-${cluster_id.slice(0, CLUSTER_DIGITS)}-${time}Z-${index}.backup`;
}

/** Those of this cluster, the oldest first. Whatever else is there is somebody else's. */
async function keptIn(directory: string, clusterId: string): Promise<Kept[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const kept = names.flatMap((name): Kept[] => {
    const [, cluster, ...time] = NAME.exec(name) ?? [];
    if (cluster !== clusterId.slice(0, CLUSTER_DIGITS)) return [];
    const [year, month, day, hour, minute, second] = time.map(Number) as number[];
    return [{ name, at: Date.UTC(year!, month! - 1, day, hour, minute, second) }];
  });
  return kept.sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1));
}

/** All but the newest, and what a crash has left of one that was never finished. */
async function removeOld(
  { directory, keep }: BackupSettings,
  clusterId: string,
  now: number,
): Promise<void> {
  // What a clock that was ahead has named does not push out what is new in truth.
  const kept = (await keptIn(directory, clusterId)).filter(({ at }) => at <= now);
  for (const { name } of kept.slice(0, Math.max(0, kept.length - keep))) {
    await rm(join(directory, name), { force: true });
  }
  for (const name of (await readdir(directory)).filter((each) => PART.test(each))) {
    const path = join(directory, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now }));
    if (now - mtimeMs > TAKING_MS_MAX) await rm(path, { force: true });
  }
}
