/**
 * Disks that can lose power: ext4 on an image file of its own, mounted over a loop device. Cutting
 * the power is the shutdown call of the file system without a flush of its journal: what was not
 * synced is gone, as when the machine had died. Needs root; see `needs("mount")`.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Node, type TestCluster, waitFor } from "./processes.ts";

const MIB = 1024 * 1024;
/** Sparse; well above the room that a broker wants left by default. */
const POWER_DISK_MIB = 2048;

/** Mounted ones: nobody else would unmount them if this process is ended in the middle. */
const mounted = new Set<Disk>();
process.on("exit", () => {
  for (const disk of mounted) spawnSync("umount", ["--lazy", disk.path]);
});

export class Disk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #image: string;

  /** Makes the image, the file system and the mount point, and mounts it. */
  constructor(dir: string, name: string, sizeMiB: number) {
    this.#image = join(dir, `${name}.ext4`);
    this.path = join(dir, `${name}.disk`);
    run("truncate", ["-s", `${sizeMiB * MIB}`, this.#image]);
    run("mkfs.ext4", ["-q", "-F", this.#image]);
    mkdirSync(this.path, { recursive: true });
    this.mount();
  }

  mount(): void {
    run("mount", ["-o", "loop", this.#image, this.path]);
    mounted.add(this);
  }

  unmount(): void {
    run("umount", [this.path]);
    mounted.delete(this);
  }

  /** Takes up so much room with a file of that name; all there is when it does not suffice. */
  occupy(name: string, bytes: number): void {
    const file = join(this.path, name);
    const { status } = spawnSync("fallocate", ["-l", `${bytes}`, file]);
    // Blocks for the file system's own use are counted as free, and cannot be had.
    if (status !== 0) spawnSync("dd", ["if=/dev/zero", `of=${file}`, "bs=64k"]);
  }

  remove(): void {
    if (mounted.has(this)) this.unmount();
    rmSync(this.#image, { force: true });
  }
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Gives each node a disk of its own for its data; call it before they start. */
export function giveDisks(cluster: TestCluster, sizeMiB = POWER_DISK_MIB): Map<Node, Disk> {
  const disks = new Map<Node, Disk>();
  for (const node of cluster.nodes) {
    const disk = new Disk(cluster.dir, node.id, sizeMiB);
    node.dataDir = join(disk.path, "data");
    disks.set(node, disk);
    cluster.beforeRemoval.push(() => disk.remove());
  }
  return disks;
}

/**
 * FS_IOC_SHUTDOWN with "no log flush", which Node cannot call: on all disks at once, for one of
 * them may have to wait for what is on its way there.
 */
const SHUT_DOWN = `
import fcntl, os, struct, sys, threading, time
disks = [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]
def cut(disk):
    fcntl.ioctl(disk, 0x8004587D, struct.pack("I", 2))
threads = [threading.Thread(target=cut, args=(disk,)) for disk in disks]
begun = time.monotonic()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print((time.monotonic() - begun) * 1000)
`;

/**
 * Cuts the power of these nodes at one moment and gives it back: all threads are stopped first, so
 * that none acknowledges what its disk will not keep; then the disks go, then the processes. The
 * nodes are not started again. Resolves with the milliseconds between the first disk and the last.
 */
export async function losePower(
  nodes: readonly Node[],
  disks: ReadonlyMap<Node, Disk>,
): Promise<number> {
  const lost = nodes.map((node) => disks.get(node)!);
  for (const node of nodes) node.pause();
  await waitFor("all threads to stand still", () => nodes.every(standsStill));
  const paths = lost.map(({ path }) => path);
  const took = Number(run("python3", ["-c", SHUT_DOWN, ...paths]));
  await Promise.all(nodes.map((node) => node.kill("SIGKILL")));
  for (const disk of lost) {
    disk.unmount();
    disk.mount();
  }
  return took;
}

/** Stopped, or inside a system call that it will not return from before it is told to go on. */
function standsStill(node: Node): boolean {
  const threads = `/proc/${node.pid}/task`;
  return readdirSync(threads).every((thread) => {
    const stat = join(threads, thread, "stat");
    if (!existsSync(stat)) return true;
    const text = readFileSync(stat, "utf8");
    return /^[TtD]$/.test(text.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3));
  });
}
