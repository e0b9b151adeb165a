// What a node parks: the values of what has failed, with the node, the route and what they stand for. Everything is settled when the
// sink keeps all of it, and not before.
import assert from 'node:assert/strict';
import type { AnyNode, Holding, NodeDefinition, PipeMessage } from '../../../src/api/pipe.js';
import type { MessageFormat } from '../../../src/api/message-format.js';
import type { Park } from '../../../src/api/failure-policy.js';
import type { ParkedItem } from '../../../src/api/parking.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import { park } from '../../../src/options/park-policy.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { batchSink } from '../../../src/pipes/batch-sink.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { json } from '../../../src/pipes/json.js';
import { demux } from '../../../src/pipes/routes.js';
import { map, sink, unfold } from '../../../src/pipes/single-nodes.js';
import { gate } from '../../support/gate.js';
import { recordOf } from '../../support/direct.js';
import { nodeChain, type NodeChain, type NodeChainOptions } from '../../support/node-chain.js';

interface Keeper {
  readonly kept: ParkedItem[];
  calls: number;
  /** Why it does not keep this. */
  refuses: (item: ParkedItem) => Error | undefined;
  readonly policy: Park;
}

function keeper(): Keeper {
  const kept: ParkedItem[] = [];
  const it: Keeper = {
    kept,
    calls: 0,
    refuses: () => undefined,
    policy: park((item) => {
      it.calls += 1;
      const error = it.refuses(item);
      if (error !== undefined) return Promise.reject(error);
      kept.push(item);
      return Promise.resolve();
    }),
  };
  return it;
}

const failing = (value: unknown): never => {
  throw new Error(`no ${JSON.stringify(value)}`);
};

const chainOf = (nodes: readonly AnyNode[], options: NodeChainOptions): Promise<NodeChain> =>
  nodeChain(nodes, { format: json, ...options });

const valuesOf = ({ data, message }: ParkedItem): unknown[] => {
  let end = 0;
  return (message?.valueBytes ?? []).map(
    (bytes) => JSON.parse(data.subarray(end, (end += bytes)).toString()) as unknown,
  );
};

const failure = ({ reports }: NodeChain): string => {
  const end = reports.find((report) => report.type === 'nodeEnds');
  return end?.type === 'nodeEnds' ? String(end.error?.message) : '';
};

describe('a node parks', () => {
  it('a value with its node, its route, and the item that it stands for', async () => {
    const to = keeper();
    const nodes = [map((text) => ({ text })), demux(() => 'r'), demux(() => 's'), sink(failing)] as AnyNode[];
    const chain = await chainOf(nodes, { onFailure: to.policy });
    await chain.feed('a');
    assert.equal(to.kept.length, 1);
    const [entry] = to.kept as [ParkedItem];
    const { message, error, data: _, parkedAt: __, failedAt: ___, ...named } = entry;
    assert.deepEqual(valuesOf(entry), [{ text: 'a' }]);
    assert.equal((error as Error).message, 'no {"text":"a"}');
    const { source, stream, shardId, fence } = chain.tenures[1]!;
    assert.deepEqual(message, {
      ...{ node: 'sink', index: 3, nodes: ['map', 'demux', 'demux', 'sink'], route: ['r', 's'] },
      standsFor: [{ source, stream, shardId, fence, first: '1', last: '1', items: 1 }],
      valueBytes: [12],
    });
    assert.deepEqual(named, {
      ...{ application: 'orders-app', source, stream, shardId, sequenceNumber: '1', subSequenceNumber: undefined },
      ...{ itemIndex: 0, key: 'k', partitionKey: 'k', explicitHashKey: undefined, arrivedAt: undefined },
      ...{ at: 'node', attempts: 1 },
      idempotencyKey: `${chain.tenures[1]!.idempotencyPrefix}/1/-/0`,
    });
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('an aggregate with the ranges of all that it stands for, over several leases', async () => {
    const to = keeper();
    const chain = await chainOf([aggregate({ count: 5 }), sink(failing)] as AnyNode[], { onFailure: to.policy });
    await chain.feedOf(1, 'a', 'b');
    await chain.feedOf(2, 'c');
    await chain.feedOf(1, 'd', 'e');
    const [entry] = to.kept as [ParkedItem];
    assert.deepEqual(valuesOf(entry), [['a', 'b', 'c', 'd', 'e']]);
    const ranges = entry.message?.standsFor.map(({ fence, first, last, items }) => [fence, first, last, items]);
    const [, one, two] = chain.tenures;
    assert.deepEqual(ranges, [
      [one?.fence, '1', '5', 4],
      [two?.fence, '3', '3', 1],
    ]);
    assert.equal(entry.itemIndex, undefined);
    assert.equal(entry.key, undefined);
    assert.equal(entry.sequenceNumber, '1');
    assert.deepEqual(chain.settled().toSorted(), ['1:1', '1:2', '1:4', '1:5', '2:3']);
  });

  it('a share of an item, and settles its share alone', async () => {
    const { open, opened } = gate();
    const to = keeper();
    const node = sink(async (value) => {
      if (value === 2) failing(value);
      if (value === 3) await opened;
    });
    const chain = await chainOf([unfold(() => [1, 2, 3]), node] as AnyNode[], { onFailure: to.policy });
    await chain.feed('a');
    assert.deepEqual(to.kept.map(valuesOf), [[2]]);
    assert.deepEqual(chain.settled(), []);
    open();
    await chain.harness.settle();
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('equal parts of one item under different idempotency keys', async () => {
    const to = keeper();
    const chain = await chainOf([unfold(() => ['x', 'x', 'x']), sink(failing)] as AnyNode[], { onFailure: to.policy });
    await chain.feed('a', 'b');
    const keys = to.kept.map(({ idempotencyKey }) => idempotencyKey);
    assert.equal(new Set(keys).size, 6);
    const again = keeper();
    const other = await chainOf([unfold(() => ['x', 'x', 'x']), sink(failing)] as AnyNode[], {
      onFailure: again.policy,
    });
    await other.feed('a', 'b');
    assert.deepEqual(
      again.kept.map(({ idempotencyKey }) => idempotencyKey),
      keys,
      'the same in another process',
    );
  });

  it('the record as it came at the first node, and raw bytes at any node, without a format', async () => {
    const to = keeper();
    const chain = await nodeChain([sink(failing)], { onFailure: () => to.policy });
    await chain.feed({ any: new Map() });
    const [entry] = to.kept as [ParkedItem];
    assert.equal(entry.message?.valueBytes, undefined);
    assert.equal(entry.message?.node, 'sink');
    assert.deepEqual(entry.data, recordOf(1).data);
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('not the record if a reducer has emitted the value, because it may have changed it in place', async () => {
    const to = keeper();
    const options = { onFailure: () => to.policy, isBehindReducer: true };
    const chain = await chainOf([sink(failing)], options);
    await chain.feed({ cents: 1 });
    assert.deepEqual(to.kept.map(valuesOf), [[{ cents: 1 }]]);
    const bare = await nodeChain([sink(failing)], options);
    await bare.feed({ cents: 1 });
    assert.match(failure(bare), /nothing says how its value becomes bytes/);
  });

  it('nothing else without a format, if a function says park: it crashes, and nothing is settled', async () => {
    const to = keeper();
    const chain = await nodeChain([map((text) => text), sink(failing)], { onFailure: () => to.policy });
    await chain.feed('a');
    assert.match(failure(chain), /^sink\/1: it cannot be parked, because nothing says .*pipe\(\{ format: json \}\)/);
    assert.equal(to.calls, 0);
    assert.deepEqual(chain.settled(), []);
  });

  it('a failed batch as one entry with all its values', async () => {
    const to = keeper();
    const node = batchSink<unknown>({ size: 3, intervalMs: 60_000 }, (values) => {
      if (values.includes('bad')) failing(values);
    });
    const chain = await chainOf([node], { onFailure: to.policy });
    await chain.feed('a', 'bad', 'c', 'd', 'e', 'f');
    assert.deepEqual(to.kept.map(valuesOf), [['a', 'bad', 'c']]);
    assert.equal(to.kept[0]?.message?.standsFor[0]?.items, 3);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3', '1:4', '1:5', '1:6']);
  });

  it('each message that a failed flush has kept as itself, and settles them when the last is kept', async () => {
    const to = keeper();
    const node: NodeDefinition<readonly PipeMessage[], unknown, unknown> = {
      name: 'keeping',
      init: () => [],
      handleMessage: (kept, message) => ({ state: [...kept, message], keep: [message] }),
      handleFlush: (kept) => (kept.length === 0 ? {} : failing('flush')),
    };
    to.refuses = (item) => (to.calls === 2 ? new Error(`full at ${item.sequenceNumber}`) : undefined);
    const chain = await chainOf([node as AnyNode], { onFailure: to.policy });
    await chain.feed('a', 'b', 'c');
    assert.equal(await chain.flush(), false);
    assert.equal(to.kept.length, 2);
    assert.deepEqual(chain.settled(), []);
    await chain.harness.advance(60_000);
    assert.equal(to.kept.length, 3, 'only what was refused comes again');
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3']);
    assert.deepEqual(chain.status()[0]?.state, 'ready');
  });

  it('no holding whose values nobody has said: it crashes', async () => {
    const to = keeper();
    const node: NodeDefinition<Holding, unknown, unknown> = {
      name: 'sum',
      init: () => createHolding(),
      handleMessage: (held, message) => ({ keep: [{ message, in: held }] }),
      handleFlush: (held) => (held.messages === 0 ? {} : failing('flush')),
    };
    const chain = await chainOf([node as AnyNode], { onFailure: to.policy });
    await chain.feed('a');
    await chain.flush();
    assert.match(failure(chain), /^sum\/0: it cannot be parked, because only its state has the values/);
    assert.deepEqual(chain.settled(), []);
  });

  it('what a NodeFailure says, and goes on with its state', async () => {
    const to = keeper();
    const node: NodeDefinition<{ values: readonly number[]; held: Holding }, number, number> = {
      name: 'sum',
      init: () => ({ values: [], held: createHolding() }),
      handleMessage: ({ values, held }, message) => ({
        state: { values: [...values, message.value], held },
        keep: [{ message, in: held }],
      }),
      handleFlush: ({ values, held }) => {
        if (values.length === 0) return {};
        const state = { values: [], held: createHolding() };
        if (values.length > 1) throw new NodeFailure(new Error('too much'), { of: [held], state, values });
        return { state, drop: [held] };
      },
    };
    const chain = await chainOf([node as AnyNode], { onFailure: to.policy });
    await chain.feed(2, 4);
    assert.equal(await chain.flush(), true);
    assert.deepEqual(to.kept.map(valuesOf), [[2, 4]]);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
    await chain.feed(1);
    assert.equal(await chain.flush(), true);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3']);
  });
});

describe('a node settles what it parks', () => {
  for (const [values, parked] of [
    [['x'], ['x']],
    [['x', 'x'], ['a']],
  ] as const)
    it(`a message that a NodeFailure names twice with one value, and not with ${values.length}`, async () => {
      const to = keeper();
      const errors: string[] = [];
      const node: NodeDefinition<undefined, string, string> = {
        handleMessage: (_, message) => {
          throw new NodeFailure(new Error('no'), { of: [message, message], state: undefined, values });
        },
      };
      const chain = await chainOf([map((text) => text), node] as AnyNode[], {
        onFailure: (error) => (errors.push((error as Error).message), to.policy),
      });
      await chain.feed('a');
      assert.deepEqual(to.kept.map(valuesOf), [parked]);
      assert.match(errors[0]!, values.length === 1 ? /^no$/ : /expected 1, got 2/);
      assert.deepEqual(chain.settled(), ['1:1']);
    });

  it('only after the sink has kept it, and holds what comes behind', async () => {
    const { open, opened } = gate();
    const seen: unknown[] = [];
    const node = sink((value) => {
      seen.push(value);
      if (value === 'A') failing(value);
    });
    const chain = await chainOf([map((text) => String(text).toUpperCase()), node] as AnyNode[], {
      onFailure: park(() => opened),
    });
    await chain.feed('a', 'b');
    assert.deepEqual([chain.settled(), seen], [[], ['A']]);
    open();
    await chain.harness.settle();
    assert.deepEqual(
      [chain.settled(), seen],
      [
        ['1:1', '1:2'],
        ['A', 'B'],
      ],
    );
  });

  it('not if its value cannot be written: it crashes, as with a sink that never takes it', async () => {
    const to = keeper();
    const chain = await chainOf([map(() => new Date(0)), sink(failing)] as AnyNode[], { onFailure: to.policy });
    await chain.feed('a');
    assert.match(failure(chain), /not parked: json cannot keep value, which is a Date/);
    assert.equal(to.calls, 0);
    assert.deepEqual(chain.settled(), []);
  });

  it('not if its value cannot be written, and `then` skips it: the event says why, and where', async () => {
    const policy = park(() => Promise.resolve(), { then: 'skip' });
    const chain = await chainOf([map(() => ({ at: new Date(0) })), sink(failing)] as AnyNode[], { onFailure: policy });
    await chain.feed('a');
    assert.deepEqual(chain.settled(), ['1:1']);
    const errors = chain.harness.eventsOf('recordSkipped').map(({ error }) => error);
    assert.match(String(errors[0]), /: no .* \(not parked: json cannot keep value\.at, which is a Date/);
  });

  it('only if it can be read back', async () => {
    const format: MessageFormat = {
      serialize: String,
      deserialize: () => {
        throw new Error('lost');
      },
    };
    const to = keeper();
    const chain = await chainOf([map(String), sink(failing)] as AnyNode[], { onFailure: to.policy, format });
    await chain.feed('a');
    assert.match(failure(chain), /deserialize cannot read what serialize has written: lost/);
    const promised = { serialize: async () => 'a', deserialize: String } as unknown as MessageFormat;
    const other = await chainOf([map(String), sink(failing)] as AnyNode[], { onFailure: to.policy, format: promised });
    await other.feed('a');
    assert.match(failure(other), /serialize must return a Uint8Array or a text, got a promise/);
    assert.deepEqual([to.calls, chain.settled(), other.settled()], [0, [], []]);
  });

  it('again after a while if the format fails for now, and shows it in its status', async () => {
    let isDown = true;
    const format: MessageFormat = {
      serialize: (value) => (isDown ? failing('key') : JSON.stringify(value)),
      deserialize: (bytes) => JSON.parse(bytes.toString()) as unknown,
    };
    const to = keeper();
    const chain = await chainOf([map(String), sink(failing)] as AnyNode[], { onFailure: to.policy, format });
    await chain.feed('a');
    await chain.harness.advance(1_000);
    assert.match(chain.status()[1]?.failing?.error ?? '', /^no "a" \(not parked: no "key"\)/);
    isDown = false;
    await chain.harness.advance(60_000);
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('without what belongs to a lease that is lost meanwhile', async () => {
    const { open, opened } = gate();
    const chain = await chainOf([aggregate({ count: 3 }), sink(failing)] as AnyNode[], {
      onFailure: park(() => opened),
    });
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b', 'c');
    await chain.lose(1);
    open();
    await chain.harness.settle();
    assert.deepEqual(chain.settled(), ['2:2', '2:3']);
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
  });

  it('not at all if all its leases are lost: the sink is not called again', async () => {
    const to = keeper();
    to.refuses = () => new Error('full');
    const chain = await chainOf([map(String), sink((value) => void (value === 'a' && failing(value)))] as AnyNode[], {
      onFailure: to.policy,
    });
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.lose(1);
    assert.deepEqual(chain.settled(), ['2:2'], 'and what comes behind does not wait for its pause');
    await chain.harness.advance(60_000);
    assert.equal(to.calls, 1);
  });

  it('and does not wait for a call of the sink about leases that are lost: its signal aborts', async () => {
    let hung: AbortSignal | undefined;
    const onFailure = park((_, { signal }) => {
      hung = signal;
      return new Promise(() => undefined);
    });
    const nodes = [map(String), sink((value) => void (value === 'a' && failing(value)))] as AnyNode[];
    const chain = await chainOf(nodes, { onFailure });
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.lose(1);
    assert.deepEqual([hung?.aborted, chain.settled()], [true, ['2:2']]);
  });

  it('never with a state that would bring a lost part back: the call is repeated without it', async () => {
    const { open, opened } = gate();
    const batches: unknown[] = [];
    let parkings = 0;
    const node = batchSink<unknown>({ size: 3, intervalMs: 60_000 }, (values) => {
      batches.push(values);
      if (values.length === 3) failing(values);
    });
    const chain = await chainOf([node], {
      onFailure: park(() => {
        parkings += 1;
        return opened;
      }),
    });
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b', 'c');
    await chain.lose(1);
    open();
    await chain.harness.settle();
    await chain.flush();
    assert.equal(parkings, 1);
    assert.deepEqual(batches, [
      ['a', 'b', 'c'],
      ['b', 'c'],
    ]);
    assert.deepEqual(chain.settled(), ['2:2', '2:3']);
  });

  it('and counts as skipped only what the sink does not keep, if the policy then says skip', async () => {
    const node: NodeDefinition<readonly PipeMessage[], unknown, unknown> = {
      init: () => [],
      handleMessage: (kept, message) => ({ state: [...kept, message], keep: [message] }),
      handleFlush: () => failing('flush'),
    };
    const onFailure = park(({ sequenceNumber }) => (sequenceNumber === '2' ? failing(2) : Promise.resolve()), {
      then: 'skip',
    });
    const chain = await chainOf([node as AnyNode], { onFailure });
    await chain.feed('a', 'b', 'c');
    await chain.flush();
    const { counts } = chain.harness;
    assert.deepEqual([counts.get('parkedItems'), counts.get('skippedItems')], [2, 1]);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3']);
  });

  it('with an event that names the node, and how many items it was', async () => {
    const to = keeper();
    to.refuses = () => (to.calls < 2 ? new Error('full') : undefined);
    const chain = await chainOf([aggregate({ count: 2 }), sink(failing)] as AnyNode[], { onFailure: to.policy });
    await chain.feed('a', 'b');
    await chain.harness.advance(60_000);
    const named = chain.harness.events.filter(({ name }) => name === 'itemParked' || name === 'parkingFailed');
    const [refused, parked] = named.map(({ data }) => data as Record<string, unknown>);
    assert.deepEqual([refused?.['at'], refused?.['node'], refused?.['items']], ['node', 'sink/1', 2]);
    assert.deepEqual([parked?.['at'], parked?.['node'], parked?.['items']], ['node', 'sink/1', 2]);
    assert.equal(parked?.['idempotencyKey'], to.kept[0]?.idempotencyKey);
    assert.equal(chain.harness.counts.get('parkedItems'), 2);
  });
});
