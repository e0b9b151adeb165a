// How the records of a shard are fetched, and how subscriptions end: words of events, status and notices.

/** How the records of a shard are fetched. */
export type RetrievalWay = 'fan-out' | 'polling';

/**
 * Why a shard is polled although enhanced fan-out is wanted. `noConsumer`: there is no consumer yet. `refused`: the service has refused the
 * subscription. `broken`: it broke off. `silent`: nothing came for a minute. `takenOver`: another process has it.
 */
export type RetrievalReason = 'noConsumer' | 'refused' | 'broken' | 'silent' | 'takenOver';

/**
 * How a subscription ended: after its time (`renewed`), with the shard, for lack of room for records (`unused`), or as in
 * `RetrievalReason`. `refused`: it never began.
 */
export type SubscriptionOutcome = 'renewed' | 'shardEnd' | 'unused' | Exclude<RetrievalReason, 'noConsumer'>;
