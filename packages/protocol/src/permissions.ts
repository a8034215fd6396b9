/** What an API key may permit. Which request needs which of them is the brokers' table. */
export const PERMISSIONS = [
  "submit_tasks",
  "read_tasks",
  "cancel_tasks",
  "process_tasks",
  "admin:dlq",
  "admin",
] as const;

/** `admin` holds all others. */
export type Permission = (typeof PERMISSIONS)[number];
