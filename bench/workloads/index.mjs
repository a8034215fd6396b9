/**
 * Every workload, by name, in the order in which they are run. One has:
 *
 * - `rounds`: how often each system is measured unless the command line says so;
 * - `describe(options)`: what it does, in a few words;
 * - `leftOut(system)`: why a system cannot do it; undefined when it can;
 * - `measure(stage, options)`: the measurement;
 * - `figures(options)`: what is compared of a result, each a name and where to find it;
 * - `brokerEnv`, optional: settings of tq's brokers that it needs.
 */
import { backlog } from "./backlog.mjs";
import { endToEnd } from "./end-to-end.mjs";
import { failover } from "./failover.mjs";
import { grpc } from "./grpc.mjs";
import { proxied } from "./proxied.mjs";
import { rate } from "./rate.mjs";
import { reads } from "./reads.mjs";
import { rest } from "./rest.mjs";
import { snapshot } from "./snapshot.mjs";

export const WORKLOADS = [endToEnd, rate, backlog, reads, rest, proxied, grpc, failover, snapshot];
