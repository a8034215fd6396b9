/**
 * A connection may carry several requests, one behind the other. When it closes, Node tells only
 * the one whose answer is next; the others would wait for ever, and with them all that is released
 * when an answer has gone. So here they are told.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export function closeLostResponses(server: Server): void {
  const open = new WeakMap<Socket, Set<ServerResponse>>();
  server.prependListener("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    const responses = open.get(socket) ?? new Set();
    if (!open.has(socket)) socket.once("close", () => closeAll(responses));
    open.set(socket, responses.add(response));
    response.once("close", () => responses.delete(response));
  });
}

function closeAll(responses: Iterable<ServerResponse>): void {
  for (const response of [...responses]) {
    // The one that has the socket is told by Node.
    if (response.socket !== null) continue;
    response.destroy();
    response.emit("close");
  }
}
