/**
 * How the disk of one node is: whether it has lost anything that was promised, whether it is
 * nearly full, and the copy of it that somebody has made.
 */

import { decodeRoster } from "../../packages/broker/src/replica/index.ts";
import type { Disk, DiskImage } from "./disk.ts";
import { type Damage, damage, examine } from "./disk-damage.ts";

export class DiskHealth {
  readonly #disk: Disk;
  /** It has less room than its floor. */
  isLow = false;
  #isHurt = false;
  #image: DiskImage | undefined;
  #copies = 0;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** What it had promised to keep may be gone; it counts for nothing any more. */
  get isHurt(): boolean {
    const { log, live } = this.#disk;
    return this.#isHurt || log.bad.size > 0 || live.badCount > 0;
  }

  /** Of this installation, and of earlier. */
  get image(): DiskImage | undefined {
    return this.#image;
  }

  /** The first that is of use is kept: the older it is, the more of the others know that. */
  takeImage(): void {
    if (!this.isHurt && this.imageVoters < 3) this.#image = this.#disk.image();
  }

  /** No process runs. False: there is nothing that could be damaged in this way. */
  damage(kind: Damage, share: number, incarnation: string): boolean {
    const disk = this.#disk;
    const inode = `${incarnation}, copy ${++this.#copies}`;
    if (!damage(disk, kind, { share, image: this.#image, inode })) return false;
    disk.mend();
    this.#isHurt ||= examine(disk) !== undefined || kind === "old volume";
    return true;
  }

  /** Something goes bad under a running process, which may never look at it. */
  rot(kind: "entry" | "record", share: number): void {
    const { log, live } = this.#disk;
    if (kind === "record") live.spoil(share, 1);
    else log.spoil(log.base.index + 1 + Math.floor(share * log.length), 1);
  }

  /** It was found out, by whatever means. */
  found(): void {
    this.#isHurt = true;
  }

  /** The disk is empty. */
  wiped(): void {
    this.#isHurt = false;
    this.#image = undefined;
  }

  /** Voters in the members of the image: alone it could go on without the others. */
  get imageVoters(): number {
    if (this.#image === undefined) return 0;
    const { members } = decodeRoster(this.#image.live.mark!.membership);
    return members.filter(({ voter }) => voter).length;
  }
}
