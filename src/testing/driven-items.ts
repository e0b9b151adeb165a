// What the drivers have in common: the items that a test gives, and the leases that these seem to come under.
import { types } from 'node:util';
import type { Ref } from '../../actors/protocol/actor.js';
import { DeliveredItem } from '../../actors/protocol/item.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { bufferOf } from '../core/buffer-view.js';
import { KinactError } from '../api/errors.js';
import { anything, checkMembers, finite, integer, kind, refuse, text, type Kind } from '../options/option-table.js';

/** An item for the code under test. Missing members get defaults: numbers rise from 1, the shard is `shard`, the source is `driven`. */
export interface DrivenItem {
  /** The item's key. */
  readonly key: string;
  /** Bytes come as a Buffer, as from a consumer, and any other value comes unchanged. */
  readonly value?: unknown;
  /** The shard that it seems to come from. */
  readonly shardId?: string;
  /** Decimal digits. */
  readonly sequenceNumber?: string;
  /** Its index inside an aggregate. Default: the record is plain. */
  readonly subSequenceNumber?: number;
  /** When Kinesis received the record, milliseconds since the epoch. */
  readonly arrivedAt?: number;
  /** When it was fetched, milliseconds since the epoch. Default: now, by the driver's clock. */
  readonly fetchedAt?: number;
  /** How far the read was behind the tip of the shard, in milliseconds. */
  readonly millisBehindLatest?: number;
  /** What `item.opaque` is. Default undefined. */
  readonly opaque?: unknown;
}

/** The lease of a shard that driven items come from. */
export interface DrivenLease {
  readonly tenure: Tenure;
  readonly controller: AbortController;
}

const itemKinds: Readonly<Record<keyof DrivenItem, Kind<unknown>>> = {
  key: kind('a text', (value) => typeof value === 'string'),
  value: anything,
  shardId: text('a non-empty string', /./s),
  sequenceNumber: text('digits', /^\d+$/),
  subSequenceNumber: integer(0),
  arrivedAt: finite,
  fetchedAt: finite,
  millisBehindLatest: finite,
  opaque: anything,
};

export function checkItems(items: readonly DrivenItem[]): void {
  if (!Array.isArray(items)) refuse('items', 'an array', items);
  for (const [at, item] of items.entries()) checkMembers(itemKinds, item, ['key'], `items[${at}]`);
}

/** Ends the lease, as if another worker had taken it. */
export function endLease({ tenure, controller }: DrivenLease): void {
  const { shardId } = tenure;
  tenure.ended = true;
  controller.abort(new KinactError('LEASE_LOST', `the lease of ${shardId} was revoked`, { data: { shardId } }));
}

export function createLease(shardId: string, fence: number): DrivenLease {
  const controller = new AbortController();
  const start = { type: 'trimHorizon' } as const;
  const names = { leaseKey: shardId, shardId, source: 'driven', idempotencyPrefix: `driven@1/${shardId}` };
  const bounds = { deadline: Infinity, wallDeadline: Infinity, ended: false };
  return {
    controller,
    tenure: { shardWorkerNumber: fence, ...names, fence, start, ...bounds, signal: controller.signal },
  };
}

export interface ItemPlace {
  readonly tenure: Tenure;
  readonly stage: Ref<StageMessage>;
  readonly now: number;
}

export function makeItem(item: DrivenItem, ordinal: number, place: ItemPlace): DeliveredItem {
  const { key, opaque, subSequenceNumber, arrivedAt, millisBehindLatest } = item;
  const value = types.isUint8Array(item.value) ? bufferOf(item.value) : item.value;
  const record = {
    sequenceNumber: item.sequenceNumber ?? String(ordinal),
    partitionKey: key,
    data: Buffer.isBuffer(value) ? value : Buffer.alloc(0),
    ...(subSequenceNumber === undefined ? {} : { subSequenceNumber }),
    ...(arrivedAt === undefined ? {} : { arrivedAt }),
  };
  const fetch = { fetchedAt: item.fetchedAt ?? place.now, millisBehindLatest };
  return new DeliveredItem(place.stage, key, value, place.tenure, ordinal, 0, record, opaque, fetch);
}
