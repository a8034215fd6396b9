/** The lines this folder writes, in the calling convention of pino. */

/** Fields first, then the line itself. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
