// How a worker asks another worker for a lease: it writes a wish into the lease's row, and the holder writes its answer beside
// the wish. Both are kinact's own attributes, apart from counter and owner, so they do not affect a Java worker. A wish names the
// `kinactWriter` that the row had when the wish was written: any change of `kinactWriter` makes the wish void. Keepers write and
// read both texts; coordinators read wishes.
import { isDecimal } from './decimal.js';
import { failoverOf, maxFailoverMs } from './lease-failover.js';
import type { LeaseRow } from './lease.js';

export interface Wish {
  /** The `kinactWriter` of the keeper that asks; its take will carry the same value. */
  readonly writer: string;
  readonly workerId: string;
  readonly failoverMs: number;
  /** A number that rises as long as the asking worker lives. */
  readonly number: number;
  /** The `kinactWriter` of the keeper that is asked. */
  readonly holder: string;
}

/** The holder's answer: it will drain and hand over, or it will not. */
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

/** Parses a wish; undefined if the text is not a wish. Never throws. */
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

  if (!isDecimal(failoverMs) || !isDecimal(number) || Number(failoverMs) > maxFailoverMs) return undefined;
  return { writer, workerId, failoverMs: Number(failoverMs), number: Number(number), holder };
}

/** The wish in a row, if it is addressed to the row's current `kinactWriter`. */
export function wishOf(row: LeaseRow): Wish | undefined {
  if (row.kinactWish === undefined || !holderCanBeAsked(row)) return undefined;
  const wish = readWish(row.kinactWish);
  return wish?.holder === row.kinactWriter ? wish : undefined;
}

/**
 * Whether the holder of a row can be asked. Rows carry no version of the wish protocol, but only a worker that supports wishes
 * writes its failover time beside its `kinactWriter`.
 */
export function holderCanBeAsked(row: LeaseRow): boolean {
  return failoverOf(row) !== undefined;
}

/** The text of `kinactAnswer`. `handOverMs` is the longest time for which a yielding holder may drain. */
export function answerText(answer: WishAnswer, wish: Pick<Wish, 'writer'>, handOverMs?: number): string {
  return `${answer} ${wish.writer}${handOverMs === undefined ? '' : ` ${Math.ceil(handOverMs)}`}`;
}

/** The answer in a row to the wishes of the keeper `writer`; undefined if there is none. */
export function answerTo(writer: string, { kinactAnswer }: LeaseRow): Answer | undefined {
  const [answer, to, ms = '0', ...more] = kinactAnswer?.split(' ') ?? [];
  if (to !== writer || more.length > 0 || !isDecimal(ms)) return undefined;
  if (answer === 'refused') return { answer, handOverMs: 0 };
  return answer === 'yielding' ? { answer, handOverMs: Math.min(Number(ms), maxFailoverMs) } : undefined;
}

/** How long a wish counts while its number does not change. In this time each side accesses the row three times. */
export function wishLastsMs(wish: Pick<Wish, 'failoverMs'>, ownFailoverMs: number): number {
  return Math.max(wish.failoverMs, ownFailoverMs);
}
