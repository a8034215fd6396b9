/**
 * What every decoder of this package throws, and the only thing it throws: the other side broke the
 * wire format. There is no way to stay in step with such a peer, so the connection ends.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}
