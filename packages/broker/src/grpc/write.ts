/** Writing to a reader who may be slow: for it no more is kept than the library's few messages. */
import type { EventEmitter } from "node:events";
import { TqError } from "task-queue-protocol";
import { STALL_MS_MAX } from "./limits.ts";

export interface Reader extends EventEmitter {
  readonly cancelled: boolean;
  write(message: object): boolean;
}

/**
 * Resolves when there is room for the next message, or when it is over. Throws `TqError` with
 * `overloaded` when the reader takes nothing for too long.
 */
export function write(call: Reader, message: object, over: AbortSignal): Promise<void> {
  if (call.cancelled || call.write(message) || over.aborted) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      call.off("drain", onRoom);
      over.removeEventListener("abort", onRoom);
    };
    const onRoom = (): void => {
      leave();
      resolve();
    };
    const onStall = (): void => {
      leave();
      reject(new TqError("overloaded", `nothing was taken for ${STALL_MS_MAX} ms`));
    };
    const timer = setTimeout(onStall, STALL_MS_MAX);
    call.once("drain", onRoom);
    over.addEventListener("abort", onRoom);
  });
}
