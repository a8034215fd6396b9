/**
 * The process that attacks: `node attacker.js NAME WORKER_PORT REST_PORT GRPC_PORT`. It goes on until its
 * input ends, and then prints how many connections it has made.
 */
import { ATTACKS } from "./hostile.ts";

const [name, ...numbers] = process.argv.slice(2);
const [port = 0, restPort = 0, grpcPort = 0] = numbers.map(Number);
const attack = ATTACKS.find((each) => each.name === name);
if (attack === undefined) throw new Error(`there is no attack ${name}`);
const end = attack.begin({ port, restPort, grpcPort });
process.stdin.resume().once("end", () => {
  console.log(end());
  process.exit();
});
