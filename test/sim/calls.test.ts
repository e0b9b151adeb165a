import { expect } from 'chai';
import { KinactError } from '../../src/api/errors.js';
import type { Item } from '../../src/api/reducer.js';
import { createCalls, waitOf, type Calls } from './calls.js';
import { callDeadlineMs } from './cluster.js';
import type { Written } from './oracle.js';
import type { Seen } from './tenures.js';

const leaseKey = 'sim/shardId-000000000000';
const keeper = 'lease-keeper/shardId-000000000000#1';
const stopShard: Seen = { type: 'shardWorkerEnded', shardWorker: 1, end: { type: 'stopShard' } };
const drained: Seen = { type: 'shardWorkerEnded', shardWorker: 1, end: { type: 'drained' } };
const releaseFor = (reason: string): Seen => ({ type: 'release', reason, deadlineMs: callDeadlineMs });
const downBy = (code: 'WATCHDOG' | 'LEASE_LOST'): Seen => ({
  type: 'shardWorkerDown',
  how: { error: new KinactError(code, 'down') },
});

/** What the law says of one lease of p0, in which a call begins at 0 and never ends. */
class Scene {
  now = 0;
  readonly said: string[] = [];
  readonly calls: Calls = createCalls({
    layout: { nameOf: () => leaseKey },
    oracle: { violate: (_invariant, text) => void this.said.push(text) },
    now: () => this.now,
  });

  constructor() {
    this.works(1);
    this.calls.begins('p0', [{ key: 'k', source: 'sim', shardId: '', sequenceNumber: '1' } as Item<string>]);
  }

  works(shardWorker: number): void {
    this.calls.keeps('p0', keeper, shardWorker);
    this.calls.works('p0', shardWorker, leaseKey);
  }

  /** A message to the keeper, as the simulation hands it to the law. */
  tells(at: number, message: Seen): void {
    this.now = at;
    const waitMs = waitOf(message);
    if (waitMs !== undefined) this.calls.givesUp('p0', keeper, waitMs);
  }

  stops(at: number, until: number): void {
    this.now = at;
    this.calls.stopping('p0', until);
  }

  /** The owner changes. Answers what the law has said since. */
  moves(at: number, [from, to]: readonly [string | undefined, string | undefined]): readonly string[] {
    this.now = at;
    const process = from ?? to;
    const rows = { before: { leaseOwner: from, checkpoint: '1' }, after: { leaseOwner: to, checkpoint: '1' } };
    this.calls.wrote({ process, leaseKey, sentAt: at, ...rows } as Written);
    return this.said.splice(0);
  }

  releases(at: number): readonly string[] {
    return this.moves(at, ['p0', undefined]);
  }
}

describe('the law on calls and releases (I48)', () => {
  const tooSoon = [`p0, where a call with records of ${leaseKey} runs, stops or removes its source, and gives it back`];

  it('lets a stop release the lease only after the call or at the deadline', () => {
    const scene = new Scene();
    scene.stops(1_000, 11_000);
    expect(scene.releases(10_999)).to.deep.equal(tooSoon);
    expect(scene.releases(11_000)).to.deep.equal([]);
  });

  it('lets a stop keep the earlier deadline of a failure that has stopped the shard (seed 910480)', () => {
    for (const message of [stopShard, downBy('WATCHDOG'), releaseFor('its source has failed: X')]) {
      const scene = new Scene();
      scene.tells(1_000, message);
      scene.stops(4_000, 14_000);
      expect(scene.releases(1_000 + callDeadlineMs), JSON.stringify(message)).to.deep.equal([]);
    }
  });

  it('lets no release go before the deadline of the failure either', () => {
    const scene = new Scene();
    scene.tells(1_000, stopShard);
    scene.stops(2_000, 12_000);
    expect(scene.releases(4_000)).to.deep.equal(tooSoon);
  });

  it('knows no earlier deadline of other ends, nor of the stop and the removal themselves', () => {
    const messages = [drained, downBy('LEASE_LOST'), releaseFor('stopping'), releaseFor('its source is being removed')];
    for (const message of messages) {
      const scene = new Scene();
      scene.tells(1_000, message);
      scene.stops(1_000, 11_000);
      expect(scene.releases(8_000), JSON.stringify(message)).to.deep.equal(tooSoon);
    }
  });

  it('forgets that deadline once another worker has records, or another ownership begins', () => {
    const worked = new Scene();
    worked.tells(1_000, stopShard);
    worked.works(1);
    worked.stops(2_000, 12_000);
    expect(worked.releases(7_000), 'the same worker').to.deep.equal([]);

    const again = new Scene();
    again.tells(1_000, stopShard);
    again.works(2);
    again.stops(2_000, 12_000);
    expect(again.releases(7_000), 'another worker').to.deep.equal(tooSoon);

    const owner = new Scene();
    owner.tells(1_000, stopShard);
    expect(owner.releases(6_000)).to.deep.equal([]);
    owner.moves(8_000, [undefined, 'p0']);
    owner.stops(9_000, 19_000);
    expect(owner.releases(12_000), 'another ownership').to.deep.equal(tooSoon);
  });

  it('lets a failure that stops the shard release it only after the call or at its own deadline', () => {
    const scene = new Scene();
    scene.tells(20_000, stopShard);
    expect(scene.releases(21_000)).to.deep.equal([`p0, where a call with records of ${leaseKey} runs, gives it up`]);
    scene.tells(30_000, stopShard);
    expect(scene.releases(30_000 + callDeadlineMs)).to.deep.equal([]);
  });
});
