// Items, leases and short runs for the tests of nodes.
import type { AnyNode, MessageLease } from '../../src/api/pipe.js';
import { naivePipe } from './naive-pipe.js';
import type { NaiveOptions, NaivePipe } from './naive-pipe-types.js';
import type { NaiveItem } from './naive-shares.js';

export const lease = (shardId: string): MessageLease => ({ source: 's', shardId, fence: 1 });

export const one = lease('shard-1');
export const two = lease('shard-2');

/** Items of one lease, numbered from `from`. */
export const itemsOf = (
  values: readonly unknown[],
  {
    from = 1,
    of = one,
    sizeBytes = 1,
  }: { readonly from?: number; readonly of?: MessageLease; readonly sizeBytes?: number } = {},
): NaiveItem[] => values.map((value, at) => ({ id: from + at, value, lease: of, sizeBytes }));

/** A pipe that has processed the values. */
export async function ran(
  nodes: readonly AnyNode[],
  values: readonly unknown[],
  options?: NaiveOptions,
): Promise<NaivePipe> {
  const pipe = await naivePipe(nodes, options);
  pipe.offer(...itemsOf(values));
  await pipe.run();
  return pipe;
}

export const valuesOf = (pipe: NaivePipe): unknown[] => pipe.sent.map(({ value }) => value);
export const settledIds = (pipe: NaivePipe): number[] => pipe.settled.map(({ id }) => id).toSorted((a, b) => a - b);
