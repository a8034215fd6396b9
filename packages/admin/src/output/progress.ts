/** How far something is, on one line of standard error that is drawn again and again. */
import type { Io } from "../io.ts";

const BAR_CELLS = 24;
/** To the first column, and what was there is gone. */
const REDRAW = "\r\u001b[K";

/** `[######..................] 25%  250 of 1000`. */
export function progressBar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(share * BAR_CELLS);
  const bar = "#".repeat(full).padEnd(BAR_CELLS, ".");
  return `[${bar}] ${Math.floor(share * 100)}%  ${done} of ${total}`;
}

/** More often than this nobody sees it. */
const REDRAW_MS = 100;

/** Draws on a terminal, and is silent where standard error is none. */
export class ProgressLine {
  readonly #io: Pick<Io, "stderr" | "isStderrTerminal" | "now">;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(io: Pick<Io, "stderr" | "isStderrTerminal" | "now">) {
    this.#io = io;
  }

  draw(text: string): void {
    const { isStderrTerminal, now, stderr } = this.#io;
    if (!isStderrTerminal || now() - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now();
    stderr(`${REDRAW}${text}`);
  }

  clear(): void {
    if (this.#io.isStderrTerminal) this.#io.stderr(REDRAW);
  }
}
