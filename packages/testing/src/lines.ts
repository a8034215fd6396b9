/** The connections of each worker of a test, so that one of them can be cut off. */
import type { Socket } from "node:net";

interface Line {
  readonly sockets: Set<Socket>;
  isCut: boolean;
}

export class Lines {
  readonly #connect: () => Socket;
  readonly #lines = new WeakMap<object, Line>();

  constructor(connect: () => Socket) {
    this.#connect = connect;
  }

  /** Makes a worker with a line of its own. */
  worker<W extends object>(make: (openSocket: () => Socket) => W): W {
    const line: Line = { sockets: new Set(), isCut: false };
    const worker = make(() => {
      const socket = this.#connect();
      line.sockets.add(socket);
      socket.once("close", () => line.sockets.delete(socket));
      if (line.isCut) socket.destroy();
      return socket;
    });
    this.#lines.set(worker, line);
    return worker;
  }

  /** Answers how to end it. */
  cutOff(worker: object): () => void {
    const line = this.#lines.get(worker);
    if (line === undefined) throw new Error("this worker is not one of the test's broker");
    line.isCut = true;
    for (const socket of line.sockets) socket.destroy();
    return () => {
      line.isCut = false;
    };
  }
}
