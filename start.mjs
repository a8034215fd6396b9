/** `npm start`: installs, builds and runs a cluster with real work. See `demo/`. */
import { run } from "./ensure-installed.mjs";

run("npm", ["run", "--silent", "build"]);
const { main } = await import("./demo/main.mjs");
await main(process.argv.slice(2));
