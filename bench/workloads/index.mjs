/** Every workload, by name, in the order in which they are run. */
import { endToEnd } from "./end-to-end.mjs";
import { rate } from "./rate.mjs";

export const WORKLOADS = [endToEnd, rate];
