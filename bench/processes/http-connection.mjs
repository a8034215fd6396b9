/**
 * One keep-alive connection that asks one thing at a time, over HTTP/1.1, and does no more than that:
 * Node's own client would cost about as much as the broker's answer, on the processors that both
 * share. It reads answers with a `content-length`, which is what tq's REST interface sends.
 */
import { connect } from "node:net";

const HEAD_END = "\r\n\r\n";

export class HttpConnection {
  #socket;
  #host;
  /** @type {Buffer} */
  #received = Buffer.alloc(0);
  /** @type {{ resolve: (answer: Answer) => void, reject: (error: Error) => void } | undefined} */
  #waiting;

  /** @typedef {{ status: number, body: string }} Answer */

  /** @param {string} base `http://HOST:PORT` */
  constructor(base) {
    const { host, hostname, port } = new URL(base);
    this.#host = host;
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on("data", (chunk) => this.#receive(chunk));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error(`${host} has closed the connection`)));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string} body JSON, or nothing
   * @returns {Promise<Answer>}
   */
  ask(method, path, body = "") {
    const head = [`${method} ${path} HTTP/1.1`, `host: ${this.#host}`];
    if (body !== "") head.push("content-type: application/json");
    if (body !== "") head.push(`content-length: ${Buffer.byteLength(body)}`);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`${head.join("\r\n")}${HEAD_END}${body}`);
    });
  }

  close() {
    this.#socket.destroy();
  }

  #receive(/** @type {Buffer} */ chunk) {
    this.#received = this.#received.length > 0 ? Buffer.concat([this.#received, chunk]) : chunk;
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd === -1) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.#fail(new Error(`an answer without a length: ${head}`));
    const from = headEnd + HEAD_END.length;
    const to = from + Number(length);
    if (this.#received.length < to) return;
    const body = this.#received.toString("utf8", from, to);
    this.#received = this.#received.subarray(to);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ status: Number(head.slice(9, 12)), body });
  }

  #fail(/** @type {Error} */ error) {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
