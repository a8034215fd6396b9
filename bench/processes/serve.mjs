/**
 * The child's side of a process that the harness directs: answers the calls of its parent, and ends
 * when the parent is gone.
 */

/** @param {Record<string, (params: any) => unknown>} verbs */
export function serve(verbs) {
  process.on("disconnect", () => process.exit(0));
  process.on(
    "message",
    async (/** @type {{ id: number, verb: string, params: object }} */ call) => {
      const { id, verb, params } = call;
      try {
        process.send?.({ id, answer: await verbs[verb]?.(params) });
      } catch (error) {
        process.send?.({ id, error: /** @type {Error} */ (error).stack ?? String(error) });
      }
    },
  );
}
