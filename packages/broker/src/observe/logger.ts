/** The broker's log: JSON lines, to standard output or to a file that SIGHUP reopens. */
import { pino } from "pino";
import { printableJson } from "task-queue-protocol";

export interface NodeLogger {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
  fatal(fields: object, text: string): void;
  /** From now on this level and those after it are written. */
  setLevel(level: string): void;
  /** Goes on in a new file under the same name: what logrotate asks for. */
  reopen(): void;
  /** Writes out what is buffered. */
  flush(): void;
}

export interface LoggerOptions {
  readonly level: string;
  /** undefined = standard output. */
  readonly file: string | undefined;
  readonly nodeId: string;
}

export function createLogger({ level, file, nodeId }: LoggerOptions): NodeLogger {
  const destination = pino.destination(
    file === undefined ? { dest: 1, sync: true } : { dest: file, sync: true, mkdir: true },
  );
  const log = pino(
    {
      level,
      base: { node: nodeId },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: printableJson },
    },
    destination,
  );
  return {
    debug: (fields, text) => log.debug(fields, text),
    info: (fields, text) => log.info(fields, text),
    warn: (fields, text) => log.warn(fields, text),
    error: (fields, text) => log.error(fields, text),
    fatal: (fields, text) => log.fatal(fields, text),
    setLevel: (next) => {
      log.level = next;
    },
    reopen: () => {
      if (file !== undefined) destination.reopen();
    },
    flush: () => destination.flushSync(),
  };
}
