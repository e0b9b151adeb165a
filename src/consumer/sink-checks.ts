// Lets the sinks of a consumer's policy look whether they can keep anything, before the consumer starts. A wrong path must show then, and
// not at the first failure, which may come in months.
import { isKinactError, KinactError } from '../api/errors.js';
import { misplaced } from '../api/misplaced.js';
import type { ParkingSink, ParkingSinkCheck } from '../api/parking.js';
import type { Timers } from '../api/ports.js';
import type { Emitter } from './emitter.js';
import { messageOf } from '../core/thrown.js';
import { sinksOf } from '../options/policy-sinks.js';
import type { ResolvedOptions } from '../options/resolved-options.js';

interface CheckContext extends ParkingSinkCheck {
  readonly timers: Timers;
  readonly deadlineMs: number;
}

/** Checks the sinks of the policy. Undefined if none has anything to check, so that a start without a sink takes no turn more. */
export function checkSinksOf(
  {
    onFailure,
    doubtOf,
    answerDeadlineMs: deadlineMs,
  }: Pick<ResolvedOptions, 'onFailure' | 'doubtOf' | 'answerDeadlineMs'>,
  given: Pick<CheckContext, 'timers' | 'signal'> & { readonly emitter: Pick<Emitter, 'emit'> },
): Promise<void> | undefined {
  const warn = (message: string, error?: Error): void =>
    given.emitter.emit({ name: 'warning', data: { message, ...(error === undefined ? {} : { error }) } });
  const sinks = sinksOf(onFailure).map(({ sink }) => sink);
  for (const doubt of sinks.map(doubtOf)) if (doubt !== undefined) warn(doubt);
  if (sinks.every(({ check }) => check === undefined)) return undefined;
  return checkSinks(sinks, { timers: given.timers, deadlineMs, signal: given.signal, warn });
}

/** Rejects with PARKING_FAILED if a sink cannot keep anything, or does not say so in time. Resolves early if the signal aborts. */
export async function checkSinks(sinks: readonly ParkingSink[], context: CheckContext): Promise<void> {
  const { timers, deadlineMs, signal, warn } = context;
  const own = new AbortController();
  const open = new Set(sinks);
  let overdue: Error | undefined;
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const end = (): void => (own.abort(signal.reason), stop());
  signal.addEventListener('abort', end, { once: true });
  const cancel = timers.after(deadlineMs, () => {
    overdue = new Error(overdueText(open, deadlineMs));
    own.abort(overdue);
    stop();
  });
  const checking = Promise.all(
    sinks.map((sink) => checked(sink, { signal: own.signal, warn }).then(() => open.delete(sink))),
  );
  checking.catch(() => undefined);
  try {
    await Promise.race([checking, stopped]);
    if (overdue !== undefined) throw overdue;
  } catch (cause) {
    if (!signal.aborted) throw notReady(cause);
  } finally {
    cancel();
    signal.removeEventListener('abort', end);
  }
}

/** A check that throws counts as one that rejects. */
async function checked({ check }: ParkingSink, context: ParkingSinkCheck): Promise<void> {
  await check?.(context);
}

function notReady(cause: unknown): KinactError {
  const text = `the sink of park is not ready: ${messageOf(cause)}`;
  // The error of a sink says no more than this text, so only its own cause goes with it.
  return isKinactError(cause) && cause.code === 'PARKING_FAILED'
    ? new KinactError('PARKING_FAILED', text, { cause: cause.cause, data: cause.data })
    : new KinactError('PARKING_FAILED', text, { cause });
}

function overdueText(open: ReadonlySet<ParkingSink>, deadlineMs: number): string {
  const places = [...open].map((sink) => misplaced(sink)?.place);
  const named = places.some((place) => place !== undefined);
  const whose = named ? `the check of ${places.map((place) => place ?? 'a sink of yours').join(' and ')}` : 'its check';
  return `${whose} has not ended within ${deadlineMs} ms`;
}
