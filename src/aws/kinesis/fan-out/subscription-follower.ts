// Follows one subscription until it ends, as one turn of the reader's loop. Invariants: an event is pulled only when there is room for
// its records. What it brings passes the same way as an answer of GetRecords, so the position is always that of a record. The end of
// a shard is only noted here: polling proves it. Called by shard-reader.ts.
import type { ReaderContext } from '../polled-service.js';
import { handOn } from '../hand-on.js';
import { stoppedError } from '../prefetch-buffer.js';
import { recover } from '../reading-failure.js';
import type { Progress } from '../reading-progress.js';
import { chainDoubt } from '../stream-doubt.js';
import { doubtStart } from '../start-doubt.js';
import type { Retrieval } from './retrieval.js';
import { openSubscription, type Subscription } from './subscription.js';
import type { SubscriptionEvent } from './subscription-event.js';

/** A subscription that nobody asks for records is given up: the service would count it, and it would tell nothing. */
const unusedMs = 30_000;
/** The service sends an event every few seconds, if only an empty one. */
const silentMs = 60_000;

export async function followSubscription(
  reader: ReaderContext,
  progress: Progress,
  retrieval: Retrieval,
  consumerArn: string,
): Promise<void> {
  const { shardId, timers, signal } = reader;
  await whenDemanded(reader, signal);
  const start = retrieval.startingPosition(progress);
  const opened = await openSubscription(retrieval.subscriptions, { consumerArn, shardId, start, timers, signal });
  if (signal.aborted) {
    if (opened.type === 'open') opened.subscription.close();
    throw stoppedError();
  }
  retrieval.noteCall();
  if (opened.type === 'failed') return retrieval.noteEnd({ outcome: 'refused', failure: opened.failure });

  const { subscription } = opened;
  try {
    // Asked after the subscription: if the stream has this identity now, it had it when the subscription was accepted.
    const doubt = await chainDoubt(reader, progress);
    if (doubt === undefined) {
      retrieval.noteBegin();
      await follow(reader, progress, retrieval, subscription);
    } else {
      subscription.close();
      await recover(reader, progress, doubt, reader.service.operations.describe);
    }
  } finally {
    subscription.close();
  }
}

async function follow(
  reader: ReaderContext,
  progress: Progress,
  retrieval: Retrieval,
  subscription: Subscription,
): Promise<void> {
  const { clock } = reader;
  let readyAt = clock.now();
  for (let events = 0; ; events += 1) {
    if (!(await isDemandedWithin(reader, unusedMs))) return retrieval.noteEnd({ outcome: 'unused' });
    // While nothing was asked for, an event may have waited in the connection: it shows the tip as it was then.
    const unaskedMs = clock.now() - readyAt;
    const step = await subscription.next(silentMs);
    if (reader.signal.aborted) throw stoppedError();
    switch (step.type) {
      case 'event':
        handOnEvent(reader, progress, step.event, unaskedMs);
        readyAt = clock.now();
        retrieval.noteEvent(progress, step.event.continuation);
        if (step.event.ends) return retrieval.noteEnd({ outcome: 'shardEnd' });
        if (isIdle(step.event) && (await doubtStart(reader, progress)))
          return retrieval.noteEnd({ outcome: 'renewed' });
        break;
      case 'ended':
        return retrieval.noteEnd({ outcome: events > 0 ? 'renewed' : 'broken' });
      case 'silent':
        return retrieval.noteEnd({ outcome: 'silent' });
      case 'failed':
        return retrieval.noteEnd({
          outcome: step.failure.kind === 'inUse' ? 'takenOver' : 'broken',
          failure: step.failure,
        });
    }
  }
}

const isIdle = ({ records, lagMs }: SubscriptionEvent): boolean => records.length === 0 && lagMs === 0;

function handOnEvent(reader: ReaderContext, progress: Progress, event: SubscriptionEvent, ageMs: number): void {
  const { records, lagMs, ends } = event;
  const more = (lagMs ?? 0) > 0;
  // The iterator of an earlier chain stands where that chain ended.
  progress.iterator = undefined;
  if (records.length > 0 && !ends) progress.end.falseEnds = 0;
  handOn(reader, progress, { records, lagMs, ageMs, hasMore: more, isBehind: more, ends });
  reader.allowance.answered(records);
  if (!ends) return;
  progress.end.awaitsListing = true;
  progress.end.proof = { since: reader.clock.now(), children: event.children, sawRecords: false, upToDate: false };
}

/** Waits until there is room for records. No bytes stay reserved for them, because the next event may take any length of time. */
async function whenDemanded(reader: ReaderContext, signal: AbortSignal): Promise<void> {
  do {
    await reader.buffer.whenRoom(signal);
    await reader.allowance.ask(signal);
    reader.allowance.answered([]);
    // The application may have paused while this reader waited for bytes.
  } while (reader.buffer.isHeld);
}

async function isDemandedWithin(reader: ReaderContext, ms: number): Promise<boolean> {
  const waiting = new AbortController();
  const give = (): void => waiting.abort();
  const cancel = reader.timers.after(ms, give);
  reader.signal.addEventListener('abort', give, { once: true });
  try {
    if (reader.signal.aborted) throw stoppedError();
    await whenDemanded(reader, waiting.signal);
    return true;
  } catch (thrown) {
    if (reader.signal.aborted || !waiting.signal.aborted) throw thrown;
    return false;
  } finally {
    cancel();
    reader.signal.removeEventListener('abort', give);
  }
}
