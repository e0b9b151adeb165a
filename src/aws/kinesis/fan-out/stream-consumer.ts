// The consumer of a stream that subscriptions need: finds it, registers it if it is configured by name, and waits until it is ACTIVE.
// All readers of a source share it. Invariants: nothing is ever deregistered, because other processes may use the consumer. Looking
// for it never stops while a reader asks, and slows down while it fails. Made by fan-out.ts.
import { DescribeStreamConsumerCommand, RegisterStreamConsumerCommand } from '@aws-sdk/client-kinesis';
import { isKinactError, KinactError } from '../../../api/errors.js';
import type { Clock, Random, StreamDescription, Timers } from '../../../api/ports.js';
import { backoffMs, type Backoff } from '../../../core/backoff.js';
import type { AwsFailure } from '../../aws-errors.js';
import { sleep } from '../../sleep.js';
import { sharedRequest, type Ask } from '../../shared-request.js';
import type { KinesisCaller } from '../kinesis-client.js';
import { consumersOf } from '../stream-listing.js';

export interface StreamConsumer {
  /** Its name or ARN as configured. */
  readonly name: string;
  /** The ARN to subscribe with, once the consumer is ACTIVE. While it is not, this looks for it in the background. */
  arn(): string | undefined;
  /** Looks for the consumer in the background, unless it is known to be ACTIVE. */
  startLooking(): void;
  /** Why there is no ARN, if a call has failed: FAN_OUT_UNAVAILABLE if the reason lasts. */
  trouble(): KinactError | undefined;
  /** A subscription was refused because something is not found: looks whether it is the consumer. */
  doubt(): void;
  /**
   * Finds the consumer or has it registered, ACTIVE or not. Rejects with FAN_OUT_UNAVAILABLE if it cannot be had for a reason that
   * lasts, and with an error that is retryable if the reason may pass.
   */
  confirm(signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface StreamConsumerDeps {
  readonly caller: KinesisCaller;
  readonly configured: { readonly consumerName: string } | { readonly consumerArn: string };
  /** The stream as configured, for messages. */
  readonly stream: string;
  readonly describe: Ask<StreamDescription>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

type Found =
  | { readonly type: 'active'; readonly arn: string }
  /** It exists, or is being registered or deleted. */
  | { readonly type: 'changing' }
  | { readonly type: 'failed'; readonly error: KinactError; readonly lasts: boolean };

/** A new consumer is ACTIVE within seconds. */
const changingBackoff: Backoff = { baseMs: 1_000, capMs: 5_000 };
const passingBackoff: Backoff = { baseMs: 1_000, capMs: 20_000 };
/** A missing permission, or too many consumers: someone has to change that. */
const lastingBackoff: Backoff = { baseMs: 30_000, capMs: 60_000 };
const minDelayMs = 500;
/**
 * AWS answers LimitExceeded for a rate, for five registrations at a time, and for the consumers of a stream (20, or 50). Its message
 * is no contract. A stream with fewer consumers has room: the refusal passes. One with more may be full, or among those with 50 and busy:
 * a registration takes seconds, so only refusals for this long mean that it is full.
 */
const consumersWithRoom = 20;
const refusedForMs = 30_000;

/** The refusals in a row of a stream that may be full. */
interface Refusals {
  since: number | undefined;
}

export function createStreamConsumer(deps: StreamConsumerDeps): StreamConsumer {
  const { configured, random, timers } = deps;
  const name = nameOf(configured);
  const closing = new AbortController();
  let found: Found | undefined;
  let trouble: KinactError | undefined;
  let isLooking = false;
  const refusals: Refusals = { since: undefined };

  const shared = sharedRequest(async (signal: AbortSignal) => {
    const now = await findConsumer(deps, refusals, signal);
    // A call that fails does not show that the consumer is gone.
    if (found?.type !== 'active' || now.type !== 'failed' || now.error.data.kind === 'notFound') {
      found = now;
      trouble = now.type !== 'failed' ? undefined : now.lasts ? unavailable(deps, now.error, polledHint) : now.error;
    }
    return now;
  }, deps);

  const look = async (): Promise<void> => {
    for (let attempt = 0; ; attempt += 1) {
      const now = await shared.ask(closing.signal);
      if (now.type === 'active') return;
      const backoff = now.type === 'changing' ? changingBackoff : now.lasts ? lastingBackoff : passingBackoff;
      const delayMs = Math.max(minDelayMs, backoffMs(backoff, attempt, random));
      await sleep(timers, delayMs, closing.signal, 'looking for the consumer');
    }
  };
  const lookInBackground = (): void => {
    if (isLooking || closing.signal.aborted) return;
    isLooking = true;
    const over = (): void => {
      isLooking = false;
    };
    look().then(over, over);
  };

  return {
    name,
    arn() {
      if (found?.type === 'active') return found.arn;
      lookInBackground();
      return undefined;
    },
    startLooking() {
      if (found?.type !== 'active') lookInBackground();
    },
    trouble: () => trouble,
    doubt: lookInBackground,
    async confirm(signal) {
      const now = await shared.ask(signal);
      if (now.type !== 'failed') return;
      throw now.lasts ? unavailable(deps, now.error, refusedHint) : now.error;
    },
    close() {
      closing.abort();
      shared.close();
    },
  };
}

function nameOf(configured: StreamConsumerDeps['configured']): string {
  return 'consumerArn' in configured ? configured.consumerArn : configured.consumerName;
}

async function findConsumer(deps: StreamConsumerDeps, refusals: Refusals, signal: AbortSignal): Promise<Found> {
  const { caller, configured, describe } = deps;
  try {
    if ('consumerArn' in configured)
      return await describeConsumer(caller, { ConsumerARN: configured.consumerArn }, signal);

    const { streamArn: StreamARN } = await describe(signal);
    const named = { StreamARN, ConsumerName: configured.consumerName };
    const described = await describeConsumer(caller, named, signal);
    if (described.type !== 'failed' || described.error.data.kind !== 'notFound') return described;

    const asked = await caller.attempt(
      new RegisterStreamConsumerCommand(named),
      { operation: 'RegisterStreamConsumer' },
      signal,
    );
    if (asked.type === 'failed' && asked.failure.kind === 'throttled')
      return await limited(deps, { refusals, failure: asked.failure, StreamARN }, signal);
    refusals.since = undefined;
    // In use: another worker has registered it meanwhile.
    if (asked.type === 'answered' || asked.failure.kind === 'inUse') return { type: 'changing' };
    return failedWith(asked.failure, lasts(asked.failure));
  } catch (thrown) {
    if (isKinactError(thrown)) return { type: 'failed', error: thrown, lasts: false };
    throw thrown;
  }
}

interface Limited {
  readonly refusals: Refusals;
  readonly failure: AwsFailure;
  readonly StreamARN: string;
}

/** Finds out which limit has refused the registration: one that passes, or the number of consumers. */
async function limited(
  { caller, clock, configured, stream }: StreamConsumerDeps,
  { refusals, failure, StreamARN }: Limited,
  signal: AbortSignal,
): Promise<Found> {
  // A service that does not count consumers leaves only the time to judge by.
  const count = await consumersOf(caller, StreamARN, signal);
  if (count === undefined || count >= consumersWithRoom) {
    refusals.since ??= clock.now();
    return failedWith(failure, clock.now() - refusals.since >= refusedForMs);
  }

  refusals.since = undefined;
  const message =
    `The consumer '${nameOf(configured)}' is not registered yet on '${stream}', which has ${count} consumers: AWS creates ` +
    `five consumers at a time, and takes five calls a second. This passes by itself; kinact asks again. ${failure.error.message}`;
  const { data } = failure.error;
  return failedWith(
    { ...failure, error: new KinactError('AWS_ERROR', message, { retryable: true, data, cause: failure.error }) },
    false,
  );
}

async function describeConsumer(
  caller: KinesisCaller,
  which: { readonly ConsumerARN: string } | { readonly StreamARN: string; readonly ConsumerName: string },
  signal: AbortSignal,
): Promise<Found> {
  const asked = await caller.attempt(
    new DescribeStreamConsumerCommand(which),
    { operation: 'DescribeStreamConsumer' },
    signal,
  );
  if (asked.type === 'failed') {
    const { failure } = asked;
    return failedWith(failure, lasts(failure) || ('ConsumerARN' in which && failure.kind === 'notFound'));
  }
  const { ConsumerARN, ConsumerStatus } = asked.output.ConsumerDescription ?? {};
  return ConsumerStatus === 'ACTIVE' && ConsumerARN !== undefined
    ? { type: 'active', arn: ConsumerARN }
    : { type: 'changing' };
}

function failedWith({ error }: AwsFailure, isLasting: boolean): Found {
  return { type: 'failed', error, lasts: isLasting };
}

function lasts({ kind }: AwsFailure): boolean {
  return kind === 'accessDenied' || kind === 'invalidArgument';
}

/** How the message of a missing consumer ends: at the start, and while the source is read. */
const refusedHint = "; or set retrieval to 'auto' or 'polling'";
const polledHint = '. Until then kinact polls';

function unavailable({ configured, stream }: StreamConsumerDeps, cause: KinactError, otherwise: string): KinactError {
  const name = nameOf(configured);
  const { operation, kind } = cause.data;
  const why: Partial<Record<NonNullable<typeof kind>, string>> = {
    throttled: 'the stream has as many consumers as it may have (20, or 50): deregister one that nobody uses',
    accessDenied: 'the credentials lack a permission: grant the actions of streams.md (Enhanced fan-out)',
    notFound: 'no such consumer exists: correct the ARN, or give `consumerName`, which kinact registers by itself',
  };
  const said = (kind && why[kind]) ?? 'the service refuses it';
  const message = `Enhanced fan-out on '${stream}' is not available with the consumer '${name}': ${said}${otherwise}. ${cause.message}`;
  return new KinactError('FAN_OUT_UNAVAILABLE', message, {
    cause,
    data: { stream, ...(operation === undefined ? {} : { operation }), ...(kind === undefined ? {} : { kind }) },
  });
}
