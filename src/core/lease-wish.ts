// How a worker asks another worker for a lease: by a wish in the lease's row, with the holder's answer beside it. Both are
// attributes of kinact's that touch neither counter nor owner, so they do not concern a Java worker. A wish names the
// `kinactWriter` that the row had when it was written: any change of `kinactWriter` makes it void. Keepers write both texts;
// coordinators read them, too.
import { isDecimal } from './decimal.js';
import { failoverOf, LONGEST_FAILOVER_MS } from './lease-failover.js';
import type { LeaseRow } from './lease.js';

export interface Wish {
  /** The `kinactWriter` of the keeper that asks; its take will carry the same values. */
  readonly writer: string;
  readonly workerId: string;
  readonly failoverMs: number;
  /** A number that rises as long as the worker that asks lives. */
  readonly number: number;
  /** The `kinactWriter` of the keeper that is asked. */
  readonly holder: string;
}

/** How a holder answers: it will drain and hand over, or it will not. */
export type WishAnswer = 'yielding' | 'refused';

export interface Answer {
  readonly answer: WishAnswer;
  /** For how long the holder may drain before it refuses after all. */
  readonly handOverMs: number;
}

/** The text of `kinactWish`. The worker id comes last, because it may hold any characters. */
export function wishText({ writer, failoverMs, number, holder, workerId }: Wish): string {
  return `${writer} ${Math.ceil(failoverMs)} ${number} ${holder} ${workerId}`;
}

/** The text that each wish of one keeper begins with. */
export function wishPrefix(writer: string): string {
  return `${writer} `;
}

const shape = /^(\S+) (\d{1,6}) (\d{1,15}) (\S+) (.+)$/s;

/** Reads a wish; undefined if the text is none. It never throws. */
export function readWish(text: string | undefined): Wish | undefined {
  const match = text === undefined ? null : shape.exec(text);
  if (match === null) return undefined;
  const [, writer, failoverMs, number, holder, workerId] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (!isDecimal(failoverMs) || !isDecimal(number) || Number(failoverMs) > LONGEST_FAILOVER_MS) return undefined;
  return { writer, workerId, failoverMs: Number(failoverMs), number: Number(number), holder };
}

/** The wish that stands in a row for its present tenure. */
export function wishOf(row: LeaseRow): Wish | undefined {
  if (row.kinactWish === undefined || !holderCanBeAsked(row)) return undefined;
  const wish = readWish(row.kinactWish);
  return wish?.holder === row.kinactWriter ? wish : undefined;
}

/**
 * Whether the holder of a row can be asked: only a worker that knows of wishes has written its failover time beside its
 * signature. Rows name no version of the wish protocol, so this attribute has to show it.
 */
export function holderCanBeAsked(row: LeaseRow): boolean {
  return failoverOf(row) !== undefined;
}

/** The text of `kinactAnswer`. A holder that yields says for how many milliseconds it may drain at most. */
export function answerText(answer: WishAnswer, wish: Pick<Wish, 'writer'>, handOverMs?: number): string {
  return `${answer} ${wish.writer}${handOverMs === undefined ? '' : ` ${Math.ceil(handOverMs)}`}`;
}

/** The answer to the wishes of this keeper; undefined while there is none. */
export function answerTo(writer: string, { kinactAnswer }: LeaseRow): Answer | undefined {
  const [answer, to, ms = '0', ...more] = kinactAnswer?.split(' ') ?? [];
  if (to !== writer || more.length > 0 || !isDecimal(ms)) return undefined;
  if (answer === 'refused') return { answer, handOverMs: 0 };
  return answer === 'yielding' ? { answer, handOverMs: Math.min(Number(ms), LONGEST_FAILOVER_MS) } : undefined;
}

/** For how long a wish counts although its number does not change: both sides look three times in that time. */
export function wishLastsMs(wish: Pick<Wish, 'failoverMs'>, ownFailoverMs: number): number {
  return Math.max(wish.failoverMs, ownFailoverMs);
}
