/**
 * Exit statuses of tq-broker, after sysexits: a service manager and a person at night read them.
 */

export const EXIT = {
  done: 0,
  /** Wrong flags. */
  usage: 64,
  /** The data directory is damaged or has lost entries: needs a person. */
  damagedData: 65,
  /** A port is in use or an address cannot be had. */
  unavailable: 69,
  /** A broken invariant: a bug. */
  internal: 70,
  /** The data directory cannot be used: not writable, locked, another node's. */
  cannotCreate: 73,
  /** The disk failed while running. */
  storage: 74,
  /** Wrong settings. */
  config: 78,
} as const;

/** An end of the process that is no bug: one sentence, and the status to leave with. */
export class StartupError extends Error {
  override readonly name = "StartupError";
  readonly exitStatus: number;

  constructor(exitStatus: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitStatus = exitStatus;
  }
}
