/**
 * The three ways the disk lets a node down, each its own class, because each has its own answer:
 * damage needs an operator (or a peer), a fault ends the process, a stopped store was used on.
 * Nothing here decides; the messages say what is wrong, where, and what to do.
 */

/** Which part of the data directory an error is about. */
export type StoreName = "log" | "state" | "identity" | "data directory";

/** Bytes on disk are not what this node wrote: missing, changed, torn or out of place. */
export class StorageDamage extends Error {
  override readonly name = "StorageDamage";
  readonly store: StoreName;
  readonly what: string;
  /** The file or directory. */
  readonly where: string;
  readonly remedy: string;

  constructor(
    store: StoreName,
    damage: { readonly what: string; readonly where: string; readonly remedy?: string },
    cause?: unknown,
  ) {
    const remedy = damage.remedy ?? REMEDY;
    super(`${store} damaged: ${damage.what} (${damage.where}). ${remedy}`, { cause });
    this.store = store;
    this.what = damage.what;
    this.where = damage.where;
    this.remedy = remedy;
  }
}

const REMEDY =
  "Do not delete or edit single files. A member of a cluster that is started again fetches " +
  "everything from the others by itself; a single node needs a backup, restored into an empty " +
  "data directory.";

/** An operation on the disk failed. Whether it took effect is unknown; the process must stop. */
export class StorageFault extends Error {
  override readonly name = "StorageFault";
  readonly store: StoreName;
  readonly operation: string;

  constructor(store: StoreName, operation: string, cause: unknown) {
    super(`${store}: ${operation} failed: ${messageOf(cause)}`, { cause });
    this.store = store;
    this.operation = operation;
  }
}

/** A store was used after its first error; `cause` is that first error. */
export class StorageStopped extends Error {
  override readonly name = "StorageStopped";

  constructor(store: StoreName, cause: unknown) {
    super(`${store}: stopped by an earlier error: ${messageOf(cause)}`, { cause });
  }
}

/** The data directory cannot be used as it is: in use, not writable, another node's, too new. */
export class DataDirError extends Error {
  override readonly name: string = "DataDirError";
}

/** Another process holds the lock of the data directory. */
export class DataDirInUse extends DataDirError {
  override readonly name = "DataDirInUse";

  constructor(path: string, cause: unknown) {
    super(
      `the data directory ${path} is in use by another tq-broker: stop that one, or give this ` +
        "one a data_dir of its own",
      { cause },
    );
  }
}

/** The innermost reason in words; LevelDB's wrappers say less than what they wrap. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return error.cause instanceof Error ? messageOf(error.cause) : error.message;
}
