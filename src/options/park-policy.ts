// The policy `park`, and its options as a table.
import type { ParkOptions } from '../api/generated/park-options.js';
import type { ParkingSink } from '../api/parking.js';
import type { Park, PlainPolicy } from '../api/failure-policy.js';
import { marked, misplaced, refuseShown, shownSink } from '../api/misplaced.js';
import { defaulting, oneOf, resolveTable } from './option-table.js';

export const parkTable = {
  then: defaulting(
    oneOf<PlainPolicy | 'retry'>('retry', 'crash', 'skip', 'stopShard'),
    'retry',
    'What happens if the sink fails, or has not answered within `callDeadlineMs`. `retry`: the sink is called again after a growing delay, of 0.1 s to 30 s, until it succeeds; your code is not called again. If the sink throws a NonRetryableError, `crash` applies instead.',
    "'crash'",
  ),
};

/**
 * Makes the failure policy that sets a failed item aside. The sink keeps it, and then the item is settled: checkpoints pass it. Until
 * then the item stays open and holds its key. A failed flush is parked as a whole: all its items. An item that is parked comes back by
 * a replay only, so after later items of its key.
 *
 * @param sink It is called for each item, and has kept it when its promise resolves.
 * @throws KinactError INVALID_OPTION (path, expected, got).
 *
 * @example Repeat temporary failures, and set aside permanent ones: a NonRetryableError, and failures of `extract`, `key` and decoding.
 * ```ts
 * const consumer = createConsumer({
 *   application: 'order-totals',
 *   source: kinesisStream({ streamName: 'orders' }),
 *   reducer: totals,
 *   onFailure: retry({ then: park(fileSink({ path: 'parked' })) }),
 * });
 * ```
 */
export function park(sink: ParkingSink, options: ParkOptions = {}): Park {
  // A function that makes policies or sinks is no sink, and would fail at the first failure only.
  if (typeof sink !== 'function' || misplaced(sink)?.asSink !== undefined)
    refuseShown('park.sink', 'a sink', shownSink(sink));
  return Object.freeze({ type: 'park', sink, then: resolveTable(parkTable, options, 'park').then });
}

marked(park, {
  name: 'the function park itself',
  asPolicy: 'park(fileSink({ path: … }))',
  asSink: 'fileSink({ path: … })',
});
