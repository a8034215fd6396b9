/**
 * Which broker to dial next, and when. A hint (the leader's address, as a broker told it) comes
 * first and once; then the caller's own list in turn, from a random place, so that many clients
 * spread. Waiting grows with each try in vain and is drawn at random below a ceiling ("full
 * jitter"), so that a thousand workers of a lost broker do not come back at the same instant.
 */
import { type Address, parseAddress } from "./address.ts";

const DELAY_MS_FIRST = 50;
const DELAY_MS_MAX = 2_000;

export class Route {
  readonly #addresses: readonly Address[];
  readonly #random: () => number;
  #position: number;
  #hint: Address | undefined;
  #vain = 0;

  /** `random`: uniform in 0 to 1, as `Math.random`. */
  constructor(addresses: readonly Address[], random: () => number = Math.random) {
    this.#addresses = addresses;
    this.#random = random;
    this.#position = Math.floor(random() * addresses.length);
  }

  /** Try this one next; a text that is no address is ignored, for it came from outside. */
  hint(address: string): void {
    try {
      this.#hint = address === "" ? undefined : parseAddress(address);
    } catch {
      this.#hint = undefined;
    }
  }

  next(): Address {
    const hint = this.#hint;
    this.#hint = undefined;
    if (hint !== undefined) return hint;
    const address = this.#addresses[this.#position % this.#addresses.length]!;
    this.#position = (this.#position + 1) % this.#addresses.length;
    return address;
  }

  /** How long to wait before the next try; 0 for the first after a success. */
  delayMs(): number {
    if (this.#vain === 0) return 0;
    const ceiling = Math.min(DELAY_MS_MAX, DELAY_MS_FIRST * 2 ** (this.#vain - 1));
    return this.#random() * ceiling;
  }

  triedInVain(): void {
    this.#vain = Math.min(this.#vain + 1, 16);
  }

  succeeded(): void {
    this.#vain = 0;
  }
}
