/**
 * A certificate that is in use, and its way through renewals: the files are read again on SIGHUP
 * and when they change, and what is good takes the place of what was there. What is bad is told in
 * the log, and the old pair stays: a mistake in a renewal never closes a door.
 */
import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { TlsFiles } from "../config/config.ts";
import { LIST_WARN_SHARES, LOOK_MS, SETTLE_MS, WARN_DAYS } from "./limits.ts";
import { type Material, readMaterial } from "./read-material.ts";

export interface TlsLogger {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface TlsMaterialOptions {
  readonly files: TlsFiles;
  readonly log: TlsLogger;
  /** Of the wall clock, which certificates go by. */
  readonly nowMs?: () => number;
}

const DAY_MS = 86_400_000;
const KEPT = "the new TLS files cannot be used, the former ones stay in use";

export class TlsMaterial {
  readonly #options: TlsMaterialOptions;
  readonly #watchers: FSWatcher[] = [];
  readonly #listeners = new Set<(material: Material) => void>();
  readonly #look: NodeJS.Timeout;
  /** The least of `LIST_WARN_SHARES` that was told of the current list. */
  #listWarned = Number.POSITIVE_INFINITY;
  readonly #onSignal = () => this.reload();
  #current: Material;
  #settling: NodeJS.Timeout | undefined;
  /** What is wrong with the files that are there now: told once. */
  #trouble: string | undefined;
  /** The nearest of `WARN_DAYS` that was told of the current certificate. */
  #warned = Number.POSITIVE_INFINITY;

  /** Throws `TlsFileError` when the files cannot be used. */
  constructor(options: TlsMaterialOptions) {
    this.#options = options;
    this.#current = readMaterial(options.files, this.#nowMs());
    this.#watch();
    this.#look = setInterval(() => this.reload(), LOOK_MS);
    this.#look.unref();
    process.on("SIGHUP", this.#onSignal);
    this.#warnOfExpiry();
    this.#warnOfList();
  }

  get current(): Material {
    return this.#current;
  }

  /** Negative once it has expired. */
  get secondsLeft(): number {
    return (this.#current.expiresAtMs - this.#nowMs()) / 1_000;
  }

  /** Of the lists of revoked certificates; negative: everybody is refused. */
  get listSecondsLeft(): number | undefined {
    const { revocation } = this.#current;
    return revocation && (revocation.untilMs - this.#nowMs()) / 1_000;
  }

  /** `listener` gets what is in use, now and after each change. */
  follow(listener: (material: Material) => void): void {
    this.#listeners.add(listener);
    listener(this.#current);
  }

  /** Reads the files again. Never throws. */
  reload(): void {
    const { files, log } = this.#options;
    try {
      const read = readMaterial(files, this.#nowMs());
      if (read.fingerprint !== this.#current.fingerprint) this.#use(read);
      this.#trouble = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#trouble) log.error({}, `${KEPT}: ${message}`);
      this.#trouble = message;
    }
    this.#warnOfExpiry();
    this.#warnOfList();
  }

  close(): void {
    process.off("SIGHUP", this.#onSignal);
    clearInterval(this.#look);
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers) watcher.close();
    this.#listeners.clear();
  }

  #use(material: Material): void {
    const { files, log } = this.#options;
    const isRenewed = material.context.cert !== this.#current.context.cert;
    this.#current = material;
    this.#listWarned = Number.POSITIVE_INFINITY;
    this.#warned = Number.POSITIVE_INFINITY;
    for (const listener of this.#listeners) listener(material);
    const until = new Date(material.expiresAtMs).toISOString();
    const what = isRenewed ? "a new certificate is in use" : "new TLS files are in use beside";
    log.info({ cert: files.cert, until }, `${what}: ${files.cert}`);
  }

  /** The directories, since certificates are replaced by renaming or by moving a link. */
  #watch(): void {
    const { files, log } = this.#options;
    const all = [files.cert, files.key, files.ca, files.crl];
    const paths = all.filter((path) => path !== undefined);
    const unwatched = (directory: string, error: Error): void => {
      const words = `changes in ${directory} are noticed on SIGHUP, or within an hour`;
      log.warn({ err: error }, `${words}: ${error.message}`);
    };
    for (const directory of new Set(paths.map((path) => dirname(path)))) {
      try {
        const watcher = watch(directory, { persistent: false }, () => this.#settle());
        watcher.on("error", (error) => unwatched(directory, error));
        this.#watchers.push(watcher);
      } catch (error) {
        unwatched(directory, error as Error);
      }
    }
  }

  #settle(): void {
    if (this.#settling !== undefined) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      this.reload();
    }, SETTLE_MS);
    this.#settling.unref();
  }

  #warnOfExpiry(): void {
    const { files, log } = this.#options;
    const daysLeft = (this.#current.expiresAtMs - this.#nowMs()) / DAY_MS;
    const due = WARN_DAYS.findLast((days) => daysLeft <= days);
    if (due === undefined || due >= this.#warned) return;
    this.#warned = due;
    const when = new Date(this.#current.expiresAtMs).toISOString();
    const verb = daysLeft < 0 ? "has expired" : "expires";
    log.warn({ cert: files.cert, expiresAt: when }, `${files.cert} ${verb} on ${when}: renew it`);
  }

  #warnOfList(): void {
    const { files, log } = this.#options;
    const { revocation } = this.#current;
    if (revocation === undefined || revocation.untilMs === Number.POSITIVE_INFINITY) return;
    const { fromMs, untilMs } = revocation;
    const share = (untilMs - this.#nowMs()) / (untilMs - fromMs);
    const due = LIST_WARN_SHARES.findLast((each) => share <= each);
    if (due === undefined || due >= this.#listWarned) return;
    this.#listWarned = due;
    const when = new Date(untilMs).toISOString();
    const words =
      share <= 0
        ? "is out of date and refuses every certificate since"
        : "will refuse everybody from";
    log.warn({ crl: files.crl, until: when }, `${files.crl} ${words} ${when}: put a new one there`);
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? Date.now();
  }
}
