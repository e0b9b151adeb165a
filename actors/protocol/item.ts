// One item on its way to a reducer and back. It is a class, unlike most of this code, because there are so many items: prototype
// getters compute rarely used members (idempotency key, signal) only on access.
import type { Ref } from './actor.js';
import type { Disposed } from './disposition.js';
import type { Tenure } from './tenure.js';
import type { Item, ItemToken } from '../../src/api/reducer.js';
import type { UserRecord } from '../../src/api/ports.js';

/** What one read of a shard has in common for all its records: one object for all of them. */
export interface Fetch {
  /** When this process got the answer, epoch milliseconds. */
  readonly fetchedAt: number;
  /** How far the read was behind the tip of the shard. */
  readonly millisBehindLatest: number | undefined;
}

/** As the value of an item: the bytes of its record, of which no view is made until somebody looks. */
export const dataOfRecord = Symbol('data of the record');

const unknownFetch: Fetch = { fetchedAt: 0, millisBehindLatest: undefined };

export class DeliveredItem implements Item<unknown>, ItemToken {
  readonly key: string;
  /** What `value` gives, or `dataOfRecord`. */
  readonly ownValue: unknown;
  readonly tenure: Tenure;
  readonly ordinal: number;
  readonly index: number;
  readonly record: UserRecord;
  /** The stage that routed this item, and that routes its disposition back. */
  readonly stage: Ref<Disposed>;
  readonly opaque: unknown;
  readonly fetch: Fetch;
  /** Raised before each further delivery. */
  attempt = 1;
  /** When its first call failed, monotonic milliseconds. Only items that have failed have this member. */
  declare failedSince?: number;

  // oxlint-disable-next-line max-params -- there is one per item: an object to carry them would be one more of each
  constructor(
    stage: Ref<Disposed>,
    key: string,
    value: unknown,
    tenure: Tenure,
    ordinal: number,
    index: number,
    record: UserRecord,
    opaque: unknown,
    fetch: Fetch = unknownFetch,
  ) {
    this.stage = stage;
    this.key = key;
    this.ownValue = value;
    this.tenure = tenure;
    this.ordinal = ordinal;
    this.index = index;
    this.record = record;
    this.opaque = opaque;
    this.fetch = fetch;
  }

  get value(): unknown {
    return this.ownValue === dataOfRecord ? this.record.data : this.ownValue;
  }

  get token(): ItemToken {
    return this;
  }

  get idempotencyKey(): string {
    const sub = this.record.subSequenceNumber;
    return `${this.tenure.idempotencyPrefix}/${this.record.sequenceNumber}/${sub ?? '-'}/${this.index}`;
  }

  get source(): string {
    return this.tenure.source;
  }

  get shardId(): string {
    return this.tenure.shardId;
  }

  get sequenceNumber(): string {
    return this.record.sequenceNumber;
  }

  get subSequenceNumber(): number | undefined {
    return this.record.subSequenceNumber;
  }

  get arrivedAt(): number | undefined {
    return this.record.arrivedAt;
  }

  get fetchedAt(): number {
    return this.fetch.fetchedAt;
  }

  get millisBehindLatest(): number | undefined {
    return this.fetch.millisBehindLatest;
  }

  get fence(): number {
    return this.tenure.fence;
  }

  /** Items from a stream are never `replayed`: only `kinact parked replay --module` runs an item again. */
  get replayed(): boolean {
    return false;
  }

  get signal(): AbortSignal {
    return this.tenure.signal;
  }
}
