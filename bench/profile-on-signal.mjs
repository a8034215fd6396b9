/**
 * Preloaded into a process that is profiled: SIGUSR2 starts a CPU profile, the next one ends it and
 * writes it to TQ_BENCH_PROFILE. So a profile holds the measured time only, without the loading of
 * modules and the warm-up that `--cpu-prof` would mix into it.
 */
import { renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";

const INTERVAL_MICROSECONDS = 500;
const file = process.env["TQ_BENCH_PROFILE"] ?? "";
const session = new Session();
session.connect();
let running = false;

async function toggle() {
  running = !running;
  if (running) {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: INTERVAL_MICROSECONDS });
    await session.post("Profiler.start");
    return;
  }
  const { profile } = await session.post("Profiler.stop");
  writeFileSync(`${file}.part`, JSON.stringify(profile));
  // Whoever waits for the file finds all of it.
  renameSync(`${file}.part`, file);
}

process.on("SIGUSR2", () => void toggle());
