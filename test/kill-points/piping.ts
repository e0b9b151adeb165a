// Scenarios with a pipe in place of a reducer: it divides its items, routes and collects them, and writes what comes together.
import type { Pipe, PipeMessage } from '../../src/api/pipe.js';
import type { Item } from '../../src/api/reducer.js';
import { pipe } from '../../src/pipes/pipe.js';
import { retry } from '../../src/options/retry-policy.js';
import { SentMessage } from '../../actors/protocol/pipe-message.js';
import type { Work } from './application.js';
import { feed, type Scenario } from './scenario.js';
import type { World } from './world.js';

/** Two pipes of six nodes start with the consumer, one node after the other. */
export const nodesAtStart = 12;

const halves = ['a', 'b'] as const;

/** An item is done when both of its halves are written. */
export function pipeOf({ note, acknowledged, pause, callMs, beforeFlush }: Work): Pipe<string> {
  const written = new Map<string, Set<string>>();
  const write = (half: string): void => {
    const id = half.slice(0, -1);
    const known = written.get(id) ?? new Set<string>();
    written.set(id, known.add(half));
    if (known.size === halves.length) acknowledged([id]);
  };
  return pipe<string>()
    .map((id, message, { attempt }) => {
      note({ ...itemOf(message), value: id, attempt } as Item<string>);
      const ms = callMs('reduce');
      return ms > 0 ? pause(ms).then(() => id) : id;
    })
    .unfold((id) => halves.map((half) => `${id}${half}`))
    .demux((half) => half.slice(-1))
    .aggregate({ count: 5, intervalMs: 250 })
    .join()
    .to(async (all: readonly string[]) => {
      await pause(callMs('flush'));
      beforeFlush();
      all.forEach(write);
    });
}

function itemOf(message: PipeMessage): object {
  const item = SentMessage.itemOf(message as SentMessage);
  const { source, shardId, sequenceNumber, key, fence, tenure } = item as unknown as Record<string, unknown>;
  return { source, shardId, sequenceNumber, key, fence, tenure };
}

/** A call of the sink, or of the first node, fails so many times. */
const fails = ({ trouble }: World, where: 'reduce' | 'flush', times: number): void =>
  void trouble.throws.set(where, { times, message: 'scripted' });

export const pipings: readonly Scenario[] = [
  {
    name: 'a pipe divides, routes and collects, and another consumer takes a lease by force',
    form: 'pipe',
    ms: 9_000,
    options: { credit: 4, maxPending: 8 },
    script: (world) => {
      const { at, leases, oracle, clock, trouble } = world;
      feed(world, 8_000, 300, 12);
      at(1_300, () => (trouble.callMs = 900));
      at(3_000, () => (trouble.callMs = 0));
      at(2_400, () => {
        const before = leases.rows.get('shardId-000000000000');
        if (before === undefined || before.checkpoint === 'SHARD_END') return;
        const after = leases.takeAs('shardId-000000000000', 'java');
        oracle.wrote({ process: 'java', leaseKey: before.leaseKey, before, after, sentAt: clock.now() });
      });
      at(5_000, () => void world.stream.split('shardId-000000000001'));
    },
  },
  {
    name: 'a failed call holds a node of a pipe, also while another consumer asks for a lease',
    form: 'pipe',
    ms: 9_000,
    // Answers by a promise.
    options: { onFailure: () => Promise.resolve(retry({ minMs: 300, maxMs: 600 })) },
    script: (world) => {
      const { at } = world;
      feed(world, 8_000);
      at(1_400, () => fails(world, 'flush', 12));
      at(1_500, () => void world.start('b'));
      at(4_500, () => fails(world, 'reduce', 3));
      at(6_000, () => fails(world, 'flush', 30));
      at(8_000, () => fails(world, 'flush', 0));
    },
  },
  {
    name: 'a sink keeps what fails in the first node of a pipe',
    form: 'pipe',
    ms: 8_000,
    parks: true,
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 7_000);
      at(1_200, () => fails(world, 'reduce', 2));
      at(2_500, () => {
        trouble.sink.refuses = 2;
        fails(world, 'reduce', 1);
      });
      at(5_000, () => {
        trouble.sink.ms = 3_000;
        fails(world, 'reduce', 1);
        at(1_500, () => (trouble.sink.ms = 20));
      });
    },
  },
  {
    name: 'a failed call ends a pipe, and what it has produced drains first',
    form: 'pipe',
    ms: 8_000,
    options: { onFailure: 'crash' },
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 7_000, 300, 10);
      at(1_300, () => fails(world, 'flush', 1));
      at(3_500, () => {
        trouble.callMs = 300;
        fails(world, 'reduce', 1);
        at(1_000, () => (trouble.callMs = 0));
      });
    },
  },
];
