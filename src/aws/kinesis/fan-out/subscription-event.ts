// Turns an event of a subscription, as the SDK or a user's client delivers it, into records and what it says about the shard. Throws
// what the event reports as a failure, and a SyntaxError on anything malformed. Called by subscription.ts.
import type { _Record as SdkRecord } from '@aws-sdk/client-kinesis';
import type { ChildShard, RawRecord, RecordList } from '../../../api/ports.js';
import { bytesOf } from '../../../core/record-bytes.js';
import { childrenOf, recordsOf } from '../get-records-answer.js';

export interface SubscriptionEvent {
  readonly records: RecordList<RawRecord<Buffer>>;
  readonly bytes: number;
  /** Milliseconds behind the tip; undefined if the event does not say. */
  readonly lagMs: number | undefined;
  /** Where the next subscription continues. Absent in the last event of a shard. It is no record's number: never a checkpoint. */
  readonly continuation: string | undefined;
  /** The children that the last event of a shard names. */
  readonly children: readonly ChildShard[] | undefined;
  readonly ends: boolean;
}

/** Undefined for a kind of event that this version does not know. */
export function eventOf(value: unknown, shardId: string): SubscriptionEvent | undefined {
  const members = (value ?? {}) as Readonly<Record<string, unknown>>;
  const body = members['SubscribeToShardEvent'];
  if (typeof body !== 'object' || body === null) return reported(members);

  const { Records, ContinuationSequenceNumber, MillisBehindLatest, ChildShards } = body as Record<string, unknown>;
  const records = recordsOf({ Records: Records as SdkRecord[] });
  const named = Array.isArray(ChildShards) && ChildShards.length > 0;
  const continuation =
    typeof ContinuationSequenceNumber === 'string' && ContinuationSequenceNumber !== ''
      ? ContinuationSequenceNumber
      : undefined;
  return {
    records,
    bytes: bytesOf(records),
    lagMs: typeof MillisBehindLatest === 'number' ? MillisBehindLatest : undefined,
    continuation,
    children: named ? childrenOf({ ChildShards }, shardId) : undefined,
    ends: named || continuation === undefined,
  };
}

/** Throws the failure that the event reports. A client may deliver it as a member, or throw it by itself. */
function reported(members: Readonly<Record<string, unknown>>): undefined {
  for (const [name, member] of Object.entries(members)) {
    if (member instanceof Error) throw member;
    if (!name.endsWith('Exception')) continue;
    const said = (member as { readonly message?: unknown } | null)?.message;
    throw Object.assign(new Error(typeof said === 'string' ? said : 'in the event stream'), { name });
  }
  return undefined;
}
