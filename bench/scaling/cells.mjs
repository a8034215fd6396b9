/**
 * What is made to grow, one thing at a time. A cell is a world before it is measured: what waits in
 * it, who works in it, and how many tasks a turn brings.
 */

const DEFAULT = { queue: "default" };
/** Tasks of each turn, and of all the workers' windows together unless they share less. */
const BATCH = 100;

const inOne = () => DEFAULT;
const spreadOver = (queues) => (serial) => ({ queue: `q${serial % queues}` });
const groupsOf = (groups) => (serial) => ({ queue: "default", group: `g${serial % groups}` });

function workers(count, options) {
  return Array.from({ length: count }, (_, at) => ({ name: `w${at}`, ...options(at) }));
}

const one = workers(1, () => ({ window: BATCH }));

export const SERIES = {
  backlog: {
    title: "Pending tasks of one queue, one worker",
    sizes: [0, 100_000, 1_000_000],
    cell: (size) => ({ backlog: size, placeOf: inOne, workers: one }),
  },
  "sessions-busy": {
    title: "Workers that share the tasks, 10,000 pending",
    sizes: [1, 8, 100, 500],
    cell: (size) => ({
      backlog: 10_000,
      placeOf: inOne,
      workers: workers(size, () => ({ window: Math.ceil(BATCH / size) })),
      batch: Math.max(BATCH, size),
    }),
  },
  "sessions-idle": {
    title: "Workers that wait for tasks, nothing pending, 10 tasks a turn",
    sizes: [1, 8, 100, 500],
    cell: (size) => ({
      backlog: 0,
      placeOf: inOne,
      workers: workers(size, () => ({ window: BATCH })),
      batch: 10,
    }),
  },
  "sessions-full": {
    title: "Workers that hold all they want beside one that works, 10 tasks a turn",
    sizes: [1, 8, 100, 500],
    cell: (size) => ({
      backlog: 10_000,
      placeOf: inOne,
      workers: workers(size, (at) => (at === 0 ? { window: 10 } : { window: 1, isStuck: true })),
      batch: 10,
    }),
  },
  "sessions-apart": {
    title: "Workers each of one queue of its own, nothing pending, 10 tasks a turn",
    sizes: [1, 8, 100, 500],
    cell: (size) => ({
      backlog: 0,
      placeOf: spreadOver(size),
      workers: workers(size, (at) => ({ window: BATCH, queues: [`q${at}`] })),
      batch: 10,
    }),
  },
  "queues-all": {
    title: "Queues with tasks, one worker of all of them",
    sizes: [1, 100, 10_000],
    cell: (size) => ({ backlog: 50_000, placeOf: spreadOver(size), workers: one }),
  },
  "queues-few": {
    title: "The same, 10 tasks a turn",
    sizes: [1, 100, 10_000],
    cell: (size) => ({
      backlog: 50_000,
      placeOf: spreadOver(size),
      workers: workers(1, () => ({ window: 10 })),
      batch: 10,
    }),
  },
  "queues-flow": {
    title: "Queues that are empty between two tasks, one worker of all of them",
    sizes: [1, 100, 10_000],
    cell: (size) => ({ backlog: 0, placeOf: spreadOver(size), workers: one }),
  },
  "queues-one": {
    title: "Queues with tasks, one worker of one of them, 10 tasks a turn",
    sizes: [1, 100, 10_000],
    cell: (size) => ({
      backlog: 50_000,
      placeOf: spreadOver(size),
      placeLater: () => ({ queue: "q0" }),
      workers: workers(1, () => ({ window: 10, queues: ["q0"] })),
      batch: 10,
    }),
  },
  groups: {
    title: "Groups with tasks in one queue, 10 tasks a turn",
    sizes: [0, 1, 1_000],
    cell: (size) => ({
      backlog: 10_000,
      placeOf: size === 0 ? inOne : groupsOf(size),
      workers: workers(1, () => ({ window: 10 })),
      batch: 10,
    }),
  },
};

export const BATCH_DEFAULT = BATCH;
