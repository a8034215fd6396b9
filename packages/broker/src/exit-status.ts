/**
 * Exit statuses of tq-broker, after sysexits: a service manager and a person at night read them.
 */

export const EXIT = {
  done: 0,
  /** Wrong flags. */
  usage: 64,
  /**
   * The data directory is damaged, has lost entries, or differs from the others': the log says
   * whether a start helps, by which a cluster member comes back by itself, or only a person.
   */
  damagedData: 65,
  /** A port is in use or an address cannot be had. */
  unavailable: 69,
  /** A broken invariant: a bug. */
  internal: 70,
  /** The data directory cannot be used: not writable, locked, another node's. */
  cannotCreate: 73,
  /** The disk failed while running. */
  storage: 74,
  /** It was removed from its cluster: to come back, it must be added again, empty. */
  removed: 77,
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

/** This node's state is not that of the others after the same entry: it cannot be trusted. */
export class DivergedState extends Error {
  override readonly name = "DivergedState";
  readonly exitStatus = EXIT.damagedData;

  constructor(found: { readonly index: number; readonly own: string; readonly leaders: string }) {
    super(
      `the state differs from that of other members after entry ${found.index} ` +
        `(${found.own} here, ${found.leaders} there). Keep a copy of the data directory for a ` +
        "report, then replace this member with an empty one: tq-admin members replace",
    );
  }
}
