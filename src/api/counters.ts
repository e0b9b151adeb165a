// The counters of `status().counters`, each with an explanation. Their names are also the values of the label `what` of the
// instrument `Incidents`. docs/status.md is generated from this table; a test compares the table with the counters in the code.

/** Counters with a cause in the application or its data. */
const yours = {
  skippedItems:
    'Items, and undecodable rests of aggregates, settled by the policy `skip`. Each is an event `recordSkipped`. In a pipe one event may be about several items: `items` counts them, and the first one is named. If that one was lost with its lease, there is no event.',
  parkedItems:
    'Items, and records that gave none, that the sink of `park` keeps. Each is an event `itemParked`. In a pipe one event may be about several items.',
  failedParkings: 'Failed calls of the sink of `park`, each of which is repeated.',
  retries: 'Failed calls that are repeated, because `onFailure` decided so.',
  outOfRangeRecords: 'User records dropped by `outOfRange`. The first one of a shard is an event `outOfRange`.',
  duplicateRecords: 'Records that the service delivered twice, left out.',
  malformedAggregates:
    'Records that look like aggregates and cannot be read as such. The first one of a shard is an event `malformedAggregate`.',
  foldedAfterLoss:
    'Items already processed, or handed out, when their lease was lost. The new owner processes them again: expect these replays.',
  partialAggregates: 'Aggregates that a node of a pipe has emitted before they were full, because of a flush.',
  strayAcknowledgements:
    'Calls of `ctx.ack` and `ctx.fail` with an unexpected token: acknowledged before, or not a token.',
  failedCalls: 'Calls of a raw behaviour that failed with no item to skip or to give up.',
  onCheckpointFailed: 'Calls of `onCheckpoint` that threw.',
  loggerFailures: 'Calls of `logger` that threw.',
  meterFailures: 'Calls of `meter` that threw.',
  listenerFailures: 'Calls of listeners of the consumer’s events that threw or rejected.',
  listenerFailed: 'Calls of `runtime.trace` and of other listeners of the runtime that threw.',
  interceptFailed: 'Calls of `runtime.intercept` that threw.',
  orphan: 'Calls of yours that still ran at a stop deadline: `orphans` names them.',
  orphanEnded: 'Those of them that have ended since.',
} as const;

/** Counters that rise in a healthy consumer, too: at every restart, lost lease and stop. */
const ordinary = {
  droppedMessages: 'Messages in a pipe that stood for items of a lost lease alone.',
  expiredIterators: 'Shard iterators that had expired, each replaced by one that begins after the last record.',
  subscriptionsBegun: 'Subscriptions of enhanced fan-out that have begun.',
  subscriptionsRenewed: 'Subscriptions that ended after their five minutes. Each is followed by another.',
  subscriptionsToShardEnd: 'Subscriptions that ended with their shard.',
  subscriptionsUnused: 'Subscriptions closed because there was no room for records for 30 s.',
  subscriptionsTakenOver:
    'Subscriptions that another process has taken over, as at a hand-over. Several in a row are an event `subscriptionTakenOver`.',
  subscriptionsRefused: 'Subscriptions that the service did not accept. The shard is polled meanwhile.',
  subscriptionsBroken: 'Subscriptions that ended with an error, or without an event. The shard is polled meanwhile.',
  subscriptionsSilent: 'Subscriptions given up because nothing came for a minute.',
  leaseRowsRemoved: 'Lease rows of shards that are gone, removed by this worker.',
  deadLetter: 'Messages to actors that had stopped. A stop itself makes a few: notices between actors that end.',
  repeatedMessages: 'Messages that came twice and changed nothing.',
  lateAnswer: 'Answers to questions that nobody waited for any more.',
  lateResult: 'Results of effects whose actor had stopped.',
  lateLook: 'Reads of a requested lease’s row that came after the answer was known.',
  failedLooks: 'Failed reads of a requested lease’s row. The row is read again.',
  withdrawnWishes: 'Leases asked for but not received: refused, not answered, or not wanted any more.',
  lateWrite: 'Answers to lease writes that had been given up before.',
  askFailures: 'Questions about the place of a stalled record that were not answered in time. The watchdog asks again.',
  staleControls: 'Control messages to a shard worker that were meant for an earlier worker of the shard.',
  staleFrontier: 'Reports of settled records from a shard worker that no longer has the lease.',
  frontierNotAhead: 'Reports that did not advance the frontier.',
  staleReads: 'Reports of reads from a shard worker that no longer has the lease.',
  staleSettles: 'Records that an earlier shard worker had delivered. They were settled too late to count.',
  staleWorkerEnd: 'Ends of shard workers that no longer had the lease.',
  staleKeeperNotice: 'Reports on a lease from a keeper that no longer keeps it.',
} as const;

/** Counters that should stay absent. Please report one that does not. */
const unexpected = {
  unknownMessage: 'Messages that an actor does not know.',
  stopHookFailed: 'Stop hooks of actors that threw.',
  effectAfterStop: 'Effects that an actor requested after its end, and that are then not run.',
} as const;

/** The counters, grouped by what a number above 0 means. */
export const counterGroups = Object.freeze({ yours, ordinary, unexpected });
