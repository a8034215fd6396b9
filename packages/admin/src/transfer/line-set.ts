/** Numbers of lines, from 1: a bit for each line up to the highest that was ever in it. */

const BYTES_MIN = 1_024;

export class LineSet {
  #bits = new Uint8Array(BYTES_MIN);
  #size = 0;

  constructor(lines: Iterable<number> = []) {
    for (const line of lines) this.add(line);
  }

  get size(): number {
    return this.#size;
  }

  has(line: number): boolean {
    return ((this.#bits[line >>> 3] ?? 0) & (1 << (line & 7))) !== 0;
  }

  add(line: number): void {
    if (this.has(line)) return;
    const at = line >>> 3;
    if (at >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(at + 1, 2 * this.#bits.length));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[at]! |= 1 << (line & 7);
    this.#size++;
  }

  delete(line: number): void {
    if (!this.has(line)) return;
    this.#bits[line >>> 3]! &= ~(1 << (line & 7));
    this.#size--;
  }

  /** In ascending order. */
  *[Symbol.iterator](): Generator<number> {
    for (const [at, bits] of this.#bits.entries()) {
      for (let bit = 0; bits >>> bit !== 0; bit++) {
        if ((bits >>> bit) & 1) yield 8 * at + bit;
      }
    }
  }
}
