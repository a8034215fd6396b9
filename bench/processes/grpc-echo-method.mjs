/** The one method of the bare echo: bytes in, bytes out. */
const same = (/** @type {Buffer} */ bytes) => bytes;

export const ECHO = {
  path: "/bench.Echo/Echo",
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
