// How a coordinator starts: table, streams, first scan, first sync; what time cures is tried again until the deadline.
import { reply, run } from '../actor.js';
import type { ReplyTo } from '../actor.js';
import type { CoordinatorStarted } from '../protocol/leasing.js';
import type { CoordinatorSelf } from './messages.js';
import { emit } from './state.js';
import type { Turn } from './state.js';
import { openTable } from './table-work.js';
import { backoffMs } from '../../src/core/backoff.js';
import { streamIdentifier } from '../../src/core/lease-key.js';
import { streamIdentityOf } from '../../src/core/stream-identity.js';
import { KinactError, isKinactError } from '../../src/errors.js';
import type { ErrorCode } from '../../src/errors.js';
import type { StreamDescription } from '../../src/ports.js';

/** What time does not cure. */
const hopeless: ReadonlySet<ErrorCode> = new Set([
  'STREAM_NOT_FOUND',
  'STREAM_CHANGED',
  'ACCESS_DENIED',
  'WRONG_REGION',
  'TABLE_NOT_KCL',
  'KCL3_TABLE',
]);
/** A failure that nobody has asked about for this long is a crash: after a restart nobody asks. */
const unheardMs = 1_000;
export const retryShape = { baseMs: 500, capMs: 5_000 };

export function isHopeless(error: unknown): error is KinactError {
  return isKinactError(error) && hopeless.has(error.code);
}

/** Hopeless before anything has worked; later it is a provider that fails for a while, and is tried again. */
function lacksCredentials(error: unknown): error is KinactError {
  return isKinactError(error) && error.code === 'CREDENTIALS_MISSING' && !error.retryable;
}

export function open(turn: Turn): void {
  const { store, sources } = turn.settings;
  if (turn.state.phase !== 'opening') return;
  turn.effects.push(
    run({
      name: 'open',
      kind: 'io',
      start: (signal) => openTable(store, sources, signal),
      done: (streams): CoordinatorSelf => ({ type: 'opened', streams }),
      failed: (error): CoordinatorSelf => ({ type: 'openFailed', error }),
    }),
  );
}

export function opened(turn: Turn, descriptions: readonly StreamDescription[]): void {
  const { settings, state } = turn;
  if (state.phase !== 'opening') return;
  state.streams.forEach((stream, index) => {
    const identifier = streamIdentifier(descriptions[index]!);
    stream.identity = identifier;
    stream.streamIdentity = streamIdentityOf(descriptions[index]!);
    if (settings.multiStream) stream.identifier = identifier;
  });
  state.phase = 'syncing';
}

export function openFailed(turn: Turn, error: unknown): void {
  const { settings, state, effects } = turn;
  if (state.phase !== 'opening') return;
  state.lastError = error;
  if (isHopeless(error) || lacksCredentials(error)) return failStart(turn, error);
  const delayMs = backoffMs(retryShape, state.openAttempt++, settings.random);
  emit(turn, { name: 'retrying', data: { operation: 'start', error, delayMs } });
  effects.push({ type: 'after', key: 'open', ms: delayMs, message: { type: 'openAgain' } });
}

/** The deadline has passed before everything was looked at once. */
export function startOverdue(turn: Turn): void {
  const { settings, state } = turn;
  if (state.phase !== 'opening' && state.phase !== 'syncing') return;
  const table = settings.store.tableName;
  const message = `The lease table ${table} and its streams could not be read within ${settings.startDeadlineMs} ms.`;
  failStart(
    turn,
    new KinactError('START_TIMEOUT', message, { cause: state.lastError, retryable: true, data: { table } }),
  );
}

export function failStart(turn: Turn, error: KinactError): void {
  const { state, effects } = turn;
  state.phase = 'failed';
  for (const key of ['open', 'scan', 'startDeadline']) effects.push({ type: 'cancel', key });
  const heard = state.waiters.length > 0;
  settleStart(turn, { type: 'failed', error });
  if (!heard) effects.push({ type: 'after', key: 'unheard', ms: unheardMs, message: { type: 'unheard' } });
}

export function startSucceeded(turn: Turn): void {
  turn.state.phase = 'running';
  turn.effects.push({ type: 'cancel', key: 'startDeadline' });
  settleStart(turn, { type: 'started' });
}

/** Stopped before it was done. */
export function abandonStart(turn: Turn): void {
  const error = new KinactError('STOPPED', 'The consumer was stopped while it was starting.');
  if (turn.state.started === undefined) settleStart(turn, { type: 'failed', error });
}

function settleStart(turn: Turn, outcome: CoordinatorStarted): void {
  const { state, effects } = turn;
  state.started = outcome;
  for (const waiter of state.waiters.splice(0)) effects.push(reply(waiter, outcome));
}

export function awaitStart(turn: Turn, replyTo: ReplyTo<CoordinatorStarted>): void {
  const { state, effects } = turn;
  if (state.started === undefined) return void state.waiters.push(replyTo);
  effects.push(reply(replyTo, state.started), { type: 'cancel', key: 'unheard' });
}
