/**
 * Every bound of the queue machine, by name. They are part of the replicated behaviour: two
 * replicas with different numbers here would answer the same log differently.
 */

/** How long an id, an idempotency key or a tombstone is remembered, in cluster time. */
export const DEDUP_WINDOW_MS = 24 * 60 * 60 * 1000;

/** How far the time inside a new task's id may run ahead of the cluster's clock. */
export const ID_AHEAD_MS_MAX = 5 * 60 * 1000;

/** Deliveries of one task, releases not counted, after which a lapsed lease ends in `dead`. */
export const DELIVERY_LIMIT = 20;

/** Leases one session may hold: bounds the work of an unregister. */
export const LEASES_PER_SESSION_MAX = 10_000;

/** Sessions known at one time. */
export const SESSIONS_MAX = 10_000;

/** Queue and type names one session may list, together. */
export const SESSION_NAMES_MAX = 10_000;

/** Queues that ever held a task. */
export const QUEUES_MAX = 100_000;

/** Finished parents that one command looks up; the proposer names the others. */
export const PARENT_READS_MAX = 64;

/** Blocked tasks that may wait for one task: bounds the work of its end. */
export const CHILDREN_MAX = 10_000;

/** Pairs of a blocked task and a parent that it waits for, in all: a quarter of a gigabyte. */
export const LINKS_MAX = 10_000_000;

/**
 * Parents that the new tasks of one command may name, all together: each is a record of its own,
 * even if the parent has ended or is named twice. As many tasks may hear in one command of the ends
 * of those that it replaces, and about as many of those that a step of a job cancels. Bounds a
 * command to some 100 ms.
 */
export const LINKS_PER_COMMAND_MAX = 10_000;

/** Groups with unfinished tasks, of all queues. */
export const GROUPS_MAX = 100_000;

/** Weights of groups that the settings of one queue may name. */
export const GROUP_WEIGHTS_MAX = 1_000;

/**
 * A pending task becomes more urgent by one priority each time it has waited for so long since it
 * became pending. So a low task at the head of its line is as urgent as a critical one after three
 * of these, and nothing that comes later goes before it from then on but by its turn.
 */
export const AGEING_STEP_MS = 5 * 60 * 1000;

/** Pairs of (queue, type) with unfinished tasks. */
export const LANES_MAX = 100_000;

/** Tasks that one `submitAll`, or the children of one `complete`, may make. */
export const NEW_TASKS_MAX = 1_000;

/** Tasks one `wake` may move, whatever it asks for, and leases one `lapse` may end. */
export const WAKE_MAX = 1_000;

/**
 * As how many of them the first death of its kind counts in one command: it reads the records of up
 * to three groups of errors, and a command reads 64 times at most.
 */
export const WAKE_DEATH_COST = 48;

/** `lapse` commands proposed at one time. */
export const LAPSES_MAX = 500;

/** Attempts kept of one task: the newest. */
export const ATTEMPTS_KEPT = 20;

export const ERROR_MESSAGE_BYTES_MAX = 4 * 1024;
export const ERROR_STACK_BYTES_MAX = 8 * 1024;
export const CANCEL_REASON_BYTES_MAX = 1024;

/** Contents kept in memory after their flush: number, and weight altogether. No part of replay. */
export const HOT_CONTENTS_MAX = 20_000;
export const HOT_CONTENT_BYTES_MAX = 32 * 1024 * 1024;

/** Ids of the newest tasks, twice so many, that need not be looked up. No part of replay. */
export const KNOWN_IDS_MAX = 65_536;

/** Runs in one `report`. */
export const RUNS_PER_REPORT_MAX = 100;
/** Log lines that one `report` may say of a run; of more the newest are kept. */
export const LINES_PER_REPORT_MAX = 100;
/** Of a run's progress, as JSON text in UTF-8; a longer one is passed over. */
export const PROGRESS_BYTES_MAX = 4 * 1024;
/** A longer log line is cut. */
export const LOG_LINE_BYTES_MAX = 1024;
/** Log lines kept of one task: the newest. */
export const LOG_LINES_KEPT = 1_000;
/** Log lines in one answer. No part of replay. */
export const LOG_PAGE_MAX = 1_000;

/** Memory for the newest events of the feed. No part of replay, like all that follows here. */
export const FEED_BYTES_MAX = 64 * 1024 * 1024;
/** Events that one read of the feed looks at, whatever it asks for. */
export const FEED_LOOKS_MAX = 20_000;
/** Types whose events are counted by themselves. */
export const TALLY_TYPES_MAX = 100;
/** Pairs of worker and type whose bad runs are counted by themselves. */
export const TALLY_WORKERS_MAX = 200;
/** Pairs of queue and type that the feed can tell apart. */
export const FEED_NAMES_MAX = 200_000;

/** Pairs of queue and type that a block of the history tells apart, and that all of them do. */
export const LANES_PER_BLOCK_MAX = 32;
export const HISTORY_LANES_MAX = 50_000;

/**
 * Tasks in one step of a job, and in one `expunge`: each may take five reads (its record, content,
 * both keys and its error's group), in a job a sixth for its tags, and a command reads 64 times at
 * most. An entry may carry many of these commands.
 */
export const JOB_STEP_MAX = 10;
export const EXPUNGE_MAX = 12;
/** Things in one `forget`, of all kinds together: each may take four reads. */
export const FORGET_MAX = 16;

/** Jobs under way at one time, and how many that have ended are remembered. */
export const JOBS_MAX = 1_000;
export const ENDED_JOBS_KEPT = 100;

/** Access keys in force at one time, and of those that have ended as many as there is room for. */
export const ACCESS_KEYS_MAX = 1_000;

/** Of the message that stands for a group of errors. */
export const ERROR_SAMPLE_BYTES_MAX = 1024;

/** Dead letter queues of dead letter queues that one task may go through. */
export const DEAD_LETTER_HOPS_MAX = 16;

/** Last instant a calendar can print; sums of times stop here and so stay exact integers. */
export const TIME_MAX = 8_640_000_000_000_000;
