/** Bounds on what the leader does of its own accord beside serving tasks. */

/** Steps of one job that go into the log together: a hundred tasks. */
export const JOB_STEPS_AT_ONCE = 10;
/** How often the leader looks for work while there is none. */
export const IDLE_MS = 100;
/** Between two rounds while there is work: tasks go first. */
export const BETWEEN_ROUNDS_MS = 5;
/** After a fault of the world, such as an office that was lost. */
export const FAULT_PAUSE_MS = 2_000;

/** Commands of retention that go into the log together. */
export const RETENTION_COMMANDS_AT_ONCE = 10;
/** Records that retention reads at a time, and in a second. */
export const RETENTION_SLICE_ROWS = 500;
export const RETENTION_ROWS_PER_SECOND = 5_000;
/** From the end of one walk through the history to the beginning of the next. */
export const RETENTION_PAUSE_MS = 60_000;
/** How old the janitor's view of all queues may be: there may be a hundred thousand. */
export const RETENTION_SURVEY_MS = 10_000;
/** What ended just now is found by a scan after the next flush. */
export const RETENTION_UNFLUSHED_MS = 1_000;
