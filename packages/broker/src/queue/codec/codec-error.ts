/**
 * Bytes that no encoder of this folder could have made: whoever meets it treats it as corruption.
 */
export class CodecError extends Error {
  override readonly name = "CodecError";
}
