/**
 * The host names that this pure package may use; everything else of the platform is out of reach.
 */

declare class TextEncoder {
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  constructor(label: "utf-8", options: { fatal: true; ignoreBOM: true });
  decode(bytes: Uint8Array): string;
}
