/**
 * Waiting that Ctrl-C ends. Nothing of it stays behind at the signal once the wait is over: a race
 * against one promise for all waits would keep every value that has won one.
 */

/** What `work` comes to; undefined when `signal` came first, and then `work` is left to itself. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve(undefined);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    const over = (): void => signal.removeEventListener("abort", stop);
    void work.then(resolve, reject).then(over);
  });
}
