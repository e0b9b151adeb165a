// The item that a fed message stands for. A pipe takes items of stages, so the origin makes them: one tenure that never ends, and the
// offset as sequence number and ordinal.
import type { Ref } from '../protocol/actor.js';
import type { Disposed } from '../protocol/disposition.js';
import { DeliveredItem } from '../protocol/item.js';
import { SentMessage } from '../protocol/pipe-message.js';
import type { Tenure } from '../protocol/tenure.js';
import type { FedValue } from './messages.js';

const noBytes = Buffer.alloc(0);

export function fedItem(
  stage: Ref<Disposed>,
  { value, key }: FedValue,
  { tenure, offset }: { readonly tenure: Tenure; readonly offset: number },
): DeliveredItem {
  const data = Buffer.isBuffer(value) ? value : noBytes;
  const record = { sequenceNumber: String(offset), partitionKey: key, data };
  return new DeliveredItem(stage, key, value, tenure, offset, 0, record, undefined);
}

/** The first message of a fed item: a pipe's option `messageOf`. */
export function messageOfFed(item: DeliveredItem): SentMessage {
  return new SentMessage(item.value, item, undefined, sizeOf(item));
}

/** Values that are neither bytes nor text have no size that is known. */
function sizeOf({ value, key }: DeliveredItem): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + key.length;
  return (value instanceof Uint8Array ? value.byteLength : 0) + key.length;
}

export function createFedTenure(name: string, signal: AbortSignal): Tenure {
  return {
    shardWorkerNumber: 0,
    leaseKey: name,
    shardId: name,
    source: name,
    idempotencyPrefix: name,
    fence: 0,
    start: { type: 'trimHorizon' },
    deadline: Infinity,
    wallDeadline: Infinity,
    ended: false,
    signal,
  };
}
