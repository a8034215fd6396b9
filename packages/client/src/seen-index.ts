/**
 * How far into the cluster's log this client has seen. Sent along with stale reads it makes them
 * show the client's own writes, whichever broker answers. Linearizable reads do so anyway, and go
 * without: should a cluster with relaxed durability ever lose the end of its log, only reads that
 * insist on having seen it must wait.
 */
export class SeenIndex {
  #clusterId = "";
  #index = 0;

  /** A number of one cluster's log says nothing about another's. */
  of(clusterId: string): number {
    return clusterId === this.#clusterId ? this.#index : 0;
  }

  note(clusterId: string, index: number): void {
    if (clusterId !== this.#clusterId) {
      this.#clusterId = clusterId;
      this.#index = index;
    } else if (index > this.#index) {
      this.#index = index;
    }
  }
}
