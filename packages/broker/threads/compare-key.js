/**
 * The thread that compares keys with hashes: a message is a key and a hash, the answer whether they
 * belong together. The synchronous call on purpose: the asynchronous one would run in the pool of
 * threads that the disk's syncs need.
 */
import { setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import bcrypt from "bcrypt";

const NICE = 5;

// Where processors are few, those who guess keys get less than those who sync and serve. Linux takes
// it for this thread alone; elsewhere it would be for the whole process.
if (process.platform === "linux") setPriority(NICE);

parentPort.on("message", ({ key, hash }) => {
  // What Apache calls 2y, OpenBSD calls 2b.
  parentPort.postMessage(bcrypt.compareSync(key, hash.replace(/^\$2y\$/, "$2b$")));
});
