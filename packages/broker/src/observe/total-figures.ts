/**
 * The totals that the replicated state itself keeps, as counters of every node. A node that starts
 * begins with what its last flush had, and catches up: what it showed meanwhile would be lower than
 * what it has shown before its restart, which Prometheus takes for a counter that began anew. So it
 * shows nothing until it has caught up with all that was committed when it asked.
 */
import { type Counter, Registry } from "prom-client";
import type { Broker } from "../operations/broker.ts";
import { counter, setTotal } from "./families.ts";

export type TotalledBroker = Pick<Broker, "totals" | "readBarrier">;

export class TotalFigures {
  readonly #broker: TotalledBroker;
  readonly #registry = new Registry();
  readonly #entered: Counter;
  readonly #ended: Counter;
  readonly #runs: Counter;
  #isLevel = false;
  #isAsking = false;

  constructor(broker: TotalledBroker) {
    this.#broker = broker;
    const make = (name: string, help: string) => counter(this.#registry, name, `${help}.`);
    this.#entered = make("tq_cluster_tasks_entered_total", "Tasks made, or started again by hand");
    this.#ended = make("tq_cluster_tasks_ended_total", "Of these, those that have ended");
    this.#runs = make("tq_cluster_runs_total", "Runs given to workers");
  }

  /** To be called now and then, until it has caught up. */
  look(): void {
    if (this.#isLevel || this.#isAsking) return;
    this.#isAsking = true;
    this.#broker.readBarrier("linearizable").then(
      () => {
        this.#isLevel = true;
      },
      () => {
        this.#isAsking = false;
      },
    );
  }

  /** Empty until then. */
  async render(): Promise<string> {
    if (!this.#isLevel) return "";
    const { entered, ended, runs } = this.#broker.totals();
    setTotal(this.#entered, entered);
    setTotal(this.#ended, ended);
    setTotal(this.#runs, runs);
    return this.#registry.metrics();
  }
}
