/** The only host names this folder may use; both are pure functions of their arguments. */

declare class TextEncoder {
  encodeInto(source: string, target: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  constructor(label: "utf-8", options: { fatal: boolean; ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}
