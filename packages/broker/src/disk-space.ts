/**
 * Keeps an eye on the room that is left where the data directory is: tells when it falls below the
 * floor and when it is back well above it, and keeps the ballast in place. It decides nothing; that
 * is the replica's part, for what to do depends on the other members' disks, too.
 *
 * One look at a time: on a disk that hangs the question hangs as well, and none follows it.
 */
import { statfs as statfsOf } from "node:fs/promises";
import { keepBallast } from "./storage/ballast.ts";

export interface DiskSpace {
  /** What this process may still write; blocks reserved for root are not counted. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Less than the floor, or not yet well above it again. */
  readonly isLow: boolean;
}

export interface DiskSpaceOptions {
  /** The data directory. It must exist. */
  readonly path: string;
  /** `persistence.min_free_disk`; 0: the disk is never called low. */
  readonly floorBytes: number;
  /** Called with true when the disk has become low, with false when it has room again. */
  readonly onChange: (isLow: boolean) => void;
  readonly log: DiskSpaceLogger;
  /** For tests. */
  readonly statfs?: (path: string) => Promise<FileSystem>;
  readonly intervalMs?: number;
}

/** In the words of statfs(2). */
export interface FileSystem {
  readonly bavail: number;
  readonly blocks: number;
  readonly bsize: number;
}

export interface DiskSpaceLogger {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export interface DiskSpaceWatch {
  /** As last seen; undefined before the first look has come back. */
  space(): DiskSpace | undefined;
  /** For the health page; undefined: nothing to warn of. */
  warning(): string | undefined;
  /** No call of `onChange` after this. */
  close(): Promise<void>;
}

/** A disk that is written at a gigabyte a second falls by twice the default floor between two. */
export const DISK_LOOK_MS = 1_000;
/** So much above the floor it counts as having room again: at the floor itself it would flutter. */
export const FLOOR_MARGIN = 0.05;

/** Looks at once, and again and again until `close`. */
export function watchDiskSpace(options: DiskSpaceOptions): DiskSpaceWatch {
  return new Watch(options);
}

class Watch implements DiskSpaceWatch {
  readonly #options: DiskSpaceOptions;
  #space: DiskSpace | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void>;
  #closed = false;
  /** The last fault told; the same one is not told every second. */
  #fault = "";

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
    this.#looking = this.#look();
  }

  space(): DiskSpace | undefined {
    return this.#space;
  }

  warning(): string | undefined {
    if (this.#space?.isLow !== true) return undefined;
    const floor = inMegabytes(this.#options.floorBytes);
    return (
      `this broker's disk has ${inMegabytes(this.#space.freeBytes)} left, and ` +
      `persistence.min_free_disk is ${floor}: new tasks may be refused with disk_full; make room`
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { path, statfs = statfsOf, floorBytes, intervalMs = DISK_LOOK_MS } = this.#options;
    try {
      const { bavail, blocks, bsize } = await statfs(path);
      if (this.#closed) return;
      this.#seen(bavail * bsize, blocks * bsize);
      await keepBallast(path, bavail * bsize, floorBytes);
      this.#fault = "";
    } catch (error) {
      this.#failed((error as Error).message);
    }
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look();
    }, intervalMs);
    this.#timer.unref();
  }

  #seen(freeBytes: number, totalBytes: number): void {
    const { floorBytes, onChange, log, path } = this.#options;
    const wasLow = this.#space?.isLow ?? false;
    const isLow = freeBytes < floorBytes * (wasLow ? 1 + FLOOR_MARGIN : 1);
    this.#space = { freeBytes, totalBytes, isLow };
    if (isLow === wasLow) return;
    const numbers = { freeBytes, floorBytes, totalBytes };
    const left = `${path} has ${inMegabytes(freeBytes)} left`;
    const floor = `persistence.min_free_disk (${inMegabytes(floorBytes)})`;
    if (isLow) log.warn(numbers, `${left}, less than ${floor}: make room, or add a disk`);
    else log.info(numbers, `${left}, which is enough again for ${floor}`);
    onChange(isLow);
  }

  #failed(fault: string): void {
    if (this.#closed || fault === this.#fault) return;
    this.#fault = fault;
    const { log, path } = this.#options;
    log.warn({}, `the room left in ${path} could not be seen to: ${fault}`);
  }
}

function inMegabytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MB`;
}
