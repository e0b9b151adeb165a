// How long to wait before the next attempt: exponential and capped, with jitter where workers could fail together. Without jitter
// they would also retry together. Each caller has its own shape, from base to cap. The first list has full jitter (`backoffMs`):
//   actors/lease-coordinator/sources/start.ts        0.5 to 5 s: opening a source or the table
//   actors/lease-coordinator/scan/scan.ts            the same: scans
//   actors/lease-coordinator/streams/shard-sync.ts   the same: shard syncs
//   actors/lease-coordinator/shard-end/judgement.ts  0.5 s plus up to 2 s, each time: the evidence for a shard's end could not be read
//   actors/lease-keeper/turn.ts                      failoverMs / 40 to failoverMs / 6: writes to a row
//   actors/lease-keeper/writes.ts                    the same: a deleted row that cannot be created again
//   actors/lease-keeper/lease-end.ts                 failoverMs / 10 to failoverMs: reads after a shard end that proved false
//   src/aws/kinesis/reading-failure.ts               0.5 to 20 s: reads; 1 to 20 s: reads that the service throttles
//   src/aws/kinesis/polling-step.ts                  0.5 to 3 s: reads of a shard that was not found
//   src/aws/kinesis/fan-out/retrieval.ts             1 to 20 s: subscriptions that the service refuses for now; 0.5 to 20 s: others
//   src/aws/kinesis/fan-out/stream-consumer.ts       1 to 5 s: until a new consumer is ACTIVE; 1 to 20 s, 30 to 60 s: if it cannot be had
//   src/aws/kinesis/kinesis-producer.ts              0.2 to 5 s: puts of the producer
//   src/aws/dynamodb-streams/trimmed-reading.ts      0.3 to 10 s: reads of a table's shard that is being trimmed
//   src/aws/retry.ts                                 0.2 to 3 s: calls of commands
//   src/cli/tail-stream.ts                           0.5 to 5 s: calls of `kinact tail`
// Full jitter can result in a wait of 0. So reads, shard syncs and `kinact tail` wait at least 100 ms, puts 50 ms, and a scan
// a tenth of its interval.
//
// Pauses that double without jitter (`exponentialMs`), from base to cap:
//   actors/lease-coordinator/unread/cool-downs.ts    a lease left alone: 10 s (after a crash of its keeper 1 s) to 10 minutes;
//                                                    a holder that did not hand a lease over: failoverMs to 10 minutes;
//                                                    a row that this process wrote, before it is taken again: 0.25 s to failoverMs
//   actors/lease-coordinator/unread/failing-reads.ts 60 s to 10 minutes: a source whose reads fail
//   actors/lease-coordinator/shard-end/judgement.ts  0.5 to 10 s: the keeper asks again about a shard end that is not proven
//   actors/protocol/hook-call.ts                     0.1 to 30 s: `onShardStarted` and `onShardEnded` are called again
//   actors/lease-keeper/hand-over-holder.ts          failoverMs to 10 minutes: wishes are refused after a failed drain
//
// Pauses that double (`exponentialMs`), each with a jitter of its own:
//   actors/reducer/failures/failed-call.ts           0.1 to 30 s by default: attempts (`retryDelayMs`); never less than the base
//   actors/pipe-node/failures.ts                     the same: attempts of a pipe's node
//   actors/protocol/parking.ts                       0.1 to 30 s: calls of a sink; never less than the base
//   src/consumer/escalation.ts                       0.5 to 30 s, at most `callDeadlineMs` + `failoverMs` / 2: restarts of the
//                                                    pipeline; never less than half

/** The shape of a back-off. */
export interface Backoff {
  /** Upper limit of the wait before the first repetition, in milliseconds. */
  readonly baseMs: number;
  /** Upper limit of every wait, in milliseconds. */
  readonly capMs: number;
}

/**
 * The wait in whole milliseconds before repetition `attempt` (0 is the first). It is uniformly random from 0 to
 * `min(capMs, baseMs * 2^attempt)`, both included.
 */
export function backoffMs(shape: Backoff, attempt: number, random: { next(): number }): number {
  const ceiling = Math.floor(exponentialMs(shape, attempt));
  return Math.floor(random.next() * (ceiling + 1));
}

/** `baseMs` doubled `times` times, at most `capMs`: a pause that grows with every failed attempt. `times` is not negative. */
export function exponentialMs({ baseMs, capMs }: Backoff, times: number): number {
  return Math.min(capMs, baseMs * 2 ** times);
}
