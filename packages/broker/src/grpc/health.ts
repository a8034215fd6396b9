/** The standard health service: SERVING when this node serves reads and writes, as `/readyz`. */
import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { Broker } from "../operations/broker.ts";
import { HEALTH_LOOK_MS } from "./limits.ts";
import { SERVICE_NAME } from "./service.ts";

/** The whole server, and its one service. */
const SERVICES = ["", SERVICE_NAME];

export interface Health {
  /** From now on nothing is served. */
  close(): void;
}

export function addHealth(server: Server, broker: Broker): Health {
  const health = new HealthImplementation();
  let told: "SERVING" | "NOT_SERVING" | undefined;
  const tell = (now: "SERVING" | "NOT_SERVING"): void => {
    if (now === told) return;
    told = now;
    for (const service of SERVICES) health.setStatus(service, now);
  };
  const look = (): void => {
    const { ready, draining } = broker.status();
    tell(ready && !draining ? "SERVING" : "NOT_SERVING");
  };
  look();
  health.addToServer(server);
  const timer = setInterval(look, HEALTH_LOOK_MS);
  timer.unref();
  return {
    close: () => {
      clearInterval(timer);
      tell("NOT_SERVING");
    },
  };
}
