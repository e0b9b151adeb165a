// When `ready()` turns false because of what waits for another attempt: after ten failed attempts, or after a minute. In an outage it is
// false at once.
import { expect } from 'chai';
import { readyOfConsumer } from '../../../src/consumer/inspection.js';
import type { ActorSnapshot, ConsumerStatus, WaitingSnapshot } from '../../../src/api/status.js';

const place = { source: 'orders', shardId: 'shardId-000000000000', sequenceNumber: '4711', error: 'database down' };
const item = (attempts: number, forMs: number, key = 'k1'): WaitingSnapshot => ({
  ...{ ...place, key, at: 'reduce' },
  ...{ attempts, forMs },
});
const actor = (kind: string, waiting: readonly WaitingSnapshot[]): ActorSnapshot => ({
  ...{ path: `${kind}/0#1`, kind, phase: 'running', state: { waiting }, queued: 0, effects: [], children: [] },
});
const reasons = (...tree: readonly ActorSnapshot[]): readonly string[] => {
  const sources = [{ source: 'orders', table: 'orders', state: 'running' }];
  const rest = { workerId: 'w', limit: null, restarts: 0, shards: [], sources, leases: [] };
  const status = { state: 'running', pausedForMs: null, paused: [], ...rest, tree } as unknown as ConsumerStatus;
  const { ok, reasons: why } = readyOfConsumer(status);
  expect(ok).to.equal(why.length === 0);
  return why;
};

describe('a consumer with an item that waits for another attempt', () => {
  it('is ready until the item has failed ten times, and then names the key, since when, and the error', () => {
    expect(reasons(actor('reducer', [item(9, 59_000)]))).to.deep.equal([]);
    expect(reasons(actor('reducer', [item(10, 5_000)]))).to.deep.equal([
      "key 'k1' (record 4711 of orders/shardId-000000000000) has waited for 5 s, after 10 failed attempts: database down",
    ]);
  });

  it('is not ready once the item has waited for a minute, after few attempts', () => {
    expect(reasons(actor('reducer', [item(2, 60_000)]))).to.have.length(1);
  });

  it('is not ready either if a stage or a shard worker has the item', () => {
    for (const kind of ['stage', 'shard-worker']) {
      expect(reasons(actor(kind, [item(9, 59_000)])), kind).to.deep.equal([]);
      expect(reasons(actor(kind, [item(10, 0)])), kind).to.have.length(1);
    }
  });

  it('names first what has waited for longest, three at most, and counts the rest', () => {
    const many = [1, 2, 3, 4, 5].map((n) => item(10, n * 1_000, `k${n}`));
    const why = reasons(actor('reducer', many));
    expect(why.map((text) => /^key '(k\d)'/.exec(text)?.[1])).to.deep.equal(['k5', 'k4', 'k3', undefined]);
    expect(why[3]).to.equal('2 more items wait');
  });
});

describe('a consumer with a node of a pipe whose call fails', () => {
  const failing = (index: number, attempts: number, forMs: number): ActorSnapshot => ({
    ...actor('pipe-node', []),
    path: `pipe-node/0/sink/${index}#9`,
    state: { failing: { attempts, forMs, error: 'database down' } },
  });

  it('is ready until the call has failed ten times, or for a minute, and then names the node that has waited longest', () => {
    expect(reasons(failing(2, 9, 59_000), actor('pipe-node', []))).to.deep.equal([]);
    expect(reasons(failing(2, 10, 5_000))).to.deep.equal([
      'pipe-node/0/sink/2#9 has waited for 5 s, after 10 failed attempts: database down',
    ]);
    expect(reasons(failing(1, 2, 60_000), failing(2, 3, 90_000), failing(3, 1, 100))).to.deep.equal([
      'pipe-node/0/sink/2#9 has waited for 90 s, after 3 failed attempts (and 1 more): database down',
    ]);
  });
});

describe('a consumer whose reducers are in an outage', () => {
  const inOutage = (key: string, forMs: number): ActorSnapshot => {
    const { state, ...rest } = actor('reducer', [item(1, forMs)]);
    return { ...rest, state: { ...state, outage: { key, failures: 0, forMs, error: 'connect ECONNREFUSED' } } };
  };

  it('is not ready from its first moment, and names the key that is tried, since when, and the error', () => {
    expect(reasons(inOutage('k1', 0))).to.deep.equal([
      "an outage has lasted for 0 s: key 'k1' is tried: connect ECONNREFUSED",
    ]);
  });

  it('gives one reason for many reducers, of the longest outage', () => {
    expect(reasons(inOutage('k1', 1_000), inOutage('k2', 3_000), actor('reducer', []))).to.deep.equal([
      "an outage has lasted for 3 s (in 2 reducers): key 'k2' is tried: connect ECONNREFUSED",
    ]);
  });
});
