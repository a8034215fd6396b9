/** How a start can fail, as an exit status: the numbers of BSD's sysexits(3). */

export const EXIT = { usage: 64, software: 70, config: 78 } as const;

/** Ends the program with a message for a person: what is wrong, where, and how to put it right. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}
