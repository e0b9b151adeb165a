// Drawn calls of a lease store: right and wrong creates, conditional updates, wishes, descriptions and deletes of two rows. Tests make
// the same calls of the lease table and of its stand-in, and compare the outcomes.
import fc from 'fast-check';
import { answerText, wishText } from '../../src/core/lease-wish.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { LeaseChange, LeaseStore } from '../../src/api/ports.js';

const signal = new AbortController().signal;

export type Call =
  | { readonly type: 'create'; readonly row: LeaseRow }
  | {
      readonly type: 'update';
      readonly key: string;
      readonly ahead: number;
      readonly owner?: string;
      readonly change: LeaseChange;
      readonly writer: string;
    }
  | {
      readonly type: 'wish';
      readonly key: string;
      /** The owner and the signature that the wish expects in the row. Absent: those that are there. */
      readonly owner?: string;
      readonly signed?: string;
      /** The wish may replace the one in the row. */
      readonly overStale?: true;
      readonly author: string;
      /** Absent: the wish is withdrawn. */
      readonly number?: number;
    }
  | {
      readonly type: 'describe';
      readonly key: string;
      readonly meta: { readonly childShardIds?: readonly string[]; readonly kinactLatestAt?: number };
    }
  | { readonly type: 'delete'; readonly key: string; readonly ahead: number };

export const keys = ['shardId-1', 'shardId-2'];
const key = fc.constantFrom(...keys);
const owner = fc.constantFrom('a', 'b');
/** Added to the row's counter, for the condition of a write: 0 as a holder writes, 1 as a mistake. */
const ahead = fc.constantFrom(0, 0, 0, 1);
const checkpoint = fc.record({
  checkpoint: fc.constantFrom('TRIM_HORIZON', 'SHARD_END', '41', '42'),
  subSequenceNumber: fc.nat(3),
});
const writer = fc.constantFrom('p/1', 'p/2');
const heir = fc.record({ workerId: owner, writer, failoverMs: fc.constantFrom(3_000, 10_000) });
const answer = fc
  .record({ answer: fc.constantFrom('yielding' as const, 'refused' as const), writer })
  .map((each) => answerText(each.answer, each));
const change: fc.Arbitrary<LeaseChange> = fc
  .record(
    {
      checkpoint,
      leaseOwner: fc.option(owner),
      failoverMs: fc.constantFrom(3_000, 10_000),
      handOver: heir,
      answer,
      kinactLatestAt: fc.nat(9),
      childShardIds: fc.constant(['c', 'd']),
      countOwnerSwitch: fc.constant(true),
    },
    { requiredKeys: [] },
  )
  // A write that takes a lease carries no checkpoint, and a write that gives it away names no other owner.
  .filter(
    ({ leaseOwner, handOver, checkpoint: at, countOwnerSwitch, failoverMs }) =>
      (at === undefined || countOwnerSwitch === undefined || handOver !== undefined) &&
      (handOver === undefined || leaseOwner === undefined) &&
      (failoverMs === undefined || typeof leaseOwner === 'string'),
  );
const row: fc.Arbitrary<LeaseRow> = fc
  .record({ leaseKey: key, leaseCounter: fc.nat(5), leaseOwner: owner })
  .map((some) => ({
    ownerSwitchesSinceCheckpoint: 1,
    checkpoint: 'LATEST',
    checkpointSubSequenceNumber: 0,
    parentShardIds: ['shardId-0'],
    childShardIds: [],
    startingHashKey: '0',
    endingHashKey: '9',
    checkpointOwner: 'old',
    ...some,
  }));
export const call: fc.Arbitrary<Call> = fc.oneof(
  row.map((each): Call => ({ type: 'create', row: each })),
  fc
    .record({ key, ahead, owner, change, writer }, { requiredKeys: ['key', 'ahead', 'change', 'writer'] })
    .map((each): Call => ({ type: 'update', ...each })),
  fc
    .record(
      { key, owner, signed: writer, overStale: fc.constant(true as const), author: writer, number: fc.nat(9) },
      { requiredKeys: ['key', 'author'] },
    )
    .map((each): Call => ({ type: 'wish', ...each })),
  fc
    .record({
      key,
      meta: fc.record({ childShardIds: fc.constant(['x']), kinactLatestAt: fc.nat(9) }, { requiredKeys: [] }),
    })
    .map((each): Call => ({ type: 'describe', ...each })),
  fc.record({ key, ahead }).map((each): Call => ({ type: 'delete', ...each })),
);

export async function perform(store: LeaseStore, each: Call): Promise<unknown> {
  if (each.type === 'create') return store.create(each.row, signal);
  const stands = await store.get(each.key, signal);
  const counter = stands?.leaseCounter ?? 0;
  switch (each.type) {
    case 'update': {
      const expected = { counter: counter + each.ahead, ...(each.owner === undefined ? {} : { owner: each.owner }) };
      return store.update(each.key, { expected, change: each.change, writer: each.writer }, signal);
    }
    case 'wish': {
      const { author, number, owner: thought = stands?.leaseOwner, signed = stands?.kinactWriter } = each;
      const expected = { owner: thought ?? 'nobody', writer: signed ?? 'nobody' };
      const wish = { writer: author, workerId: 'a b', failoverMs: 3_000, number: number ?? 0, holder: expected.writer };
      const text = number === undefined ? null : wishText(wish);
      const stale = each.overStale === undefined ? undefined : stands?.kinactWish;
      return store.wish(each.key, { ...expected, stale }, { author, text }, signal);
    }
    case 'describe':
      return store.updateMeta(each.key, each.meta, signal);
    case 'delete':
      return store.delete(each.key, counter + each.ahead, signal);
    default:
      return each satisfies never;
  }
}

/** Sorts the children, which are a set: DynamoDB keeps no order. */
export function sorted(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (name, each: unknown) =>
      name === 'childShardIds' && Array.isArray(each) ? [...each].sort() : each,
    ) ?? 'null',
  );
}
