/** What this node has sent and received of snapshots since its start, for metrics. */

export interface SnapshotStats {
  /** Whole ones that a member has taken to their end. */
  readonly sent: number;
  /** Whole ones that were checked and loaded, whether or not they were still needed then. */
  readonly received: number;
  /** Of all streams, also of those that broke or turned out to be no use. */
  readonly receivedBytes: number;
  /** Of the one received last, from the first request until it was loaded; undefined: none yet. */
  readonly lastDurationMs: number | undefined;
}
