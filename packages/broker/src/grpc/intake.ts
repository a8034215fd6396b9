/**
 * How many messages of one connection may be on their way in at a time: each is kept in memory as
 * far as it has come, and a sender need never end it. A further call waits; only its own connection
 * is held up by that.
 */
export class Intake {
  readonly #max: number;
  readonly #connections = new Map<string, Connection>();

  constructor(max: number) {
    this.#max = max;
  }

  isFull(peer: string): boolean {
    return (this.#connections.get(peer)?.reading ?? 0) >= this.#max;
  }

  /** Calls `begin`, now or when it is its turn, until the function that is returned is called. */
  enter(peer: string, begin: () => void): () => void {
    const connection = this.#connections.get(peer) ?? { reading: 0, waiting: new Set() };
    this.#connections.set(peer, connection);
    connection.waiting.add(begin);
    this.#next(connection);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      if (!connection.waiting.delete(begin)) connection.reading--;
      this.#next(connection);
      if (connection.reading === 0) this.#connections.delete(peer);
    };
  }

  #next(connection: Connection): void {
    const [begin] = connection.waiting;
    if (begin === undefined || connection.reading >= this.#max) return;
    connection.waiting.delete(begin);
    connection.reading++;
    begin();
  }
}

interface Connection {
  reading: number;
  /** In the order in which they came. */
  readonly waiting: Set<() => void>;
}
