// What a parked message of a pipe is called: its place, its idempotency key, and the leases that it belongs to.
import { expect } from 'chai';
import { nameOf } from '../../../actors/protocol/parkable.js';
import { ParkableMessage } from '../../../actors/protocol/parkable-message.js';
import { pendingAt } from '../../../actors/protocol/pending-failures.js';
import { SentMessage, type ItemReferences } from '../../../actors/protocol/pipe-message.js';
import type { StageMessage } from '../../../actors/protocol/pipeline-messages.js';
import { addTo, emptyBundle, withoutEnded } from '../../../src/core/references.js';
import { json } from '../../../src/pipes/json.js';
import { itemOf } from '../../support/direct-reducer.js';
import { ref, tenureOf } from '../../support/direct.js';

const stage = ref<StageMessage>('stage/0#1');
const at = { node: 'sink', index: 1, nodes: ['map', 'sink'] };

function parkable(...all: readonly (ItemReferences | undefined)[]): ParkableMessage {
  const of = all.map((references) => new SentMessage('v', references, undefined, 1));
  return new ParkableMessage({ of, at, route: undefined, values: ['v'], format: json, unique: '-/1-u', isFed: false });
}

/** A bundle of items 3 and up, one of each tenure. */
function bundleOf(...shardWorkers: readonly ReturnType<typeof tenureOf>[]): ItemReferences {
  const bundle: ReturnType<typeof newBundle> = newBundle();
  for (const tenure of shardWorkers) addTo(bundle, itemOf(2 + tenure.shardWorkerNumber, tenure, stage));
  return bundle;
}

const newBundle = (): Extract<ItemReferences, { kind: 'bundle' }> => emptyBundle();

describe('a parked message', () => {
  it('that stands for nothing has empty places, is never late, and has a key of its own', () => {
    const message = parkable(undefined);
    expect(message.isLate).to.equal(false);
    expect(nameOf(message)).to.include({ idempotencyKey: '', source: '', shardId: '', sequenceNumber: '' });
    expect(message.write().idempotencyKey).to.match(/^-\/1-u\/1\/sink\/[0-9a-f]{16}$/);
  });

  it('whose first item is lost has the place and the key of what is left; an equal one is counted', () => {
    const [one, two] = [tenureOf(1), tenureOf(2)];
    const [message, equal] = [bundleOf(one, two), bundleOf(one, two)];
    one.ended = true;
    for (const each of [message, equal]) withoutEnded(each);
    const parked = parkable(message);
    expect(parked.place).to.deep.include({ shardId: 'shardId-2', sequenceNumber: '4' });
    const key = parked.write().idempotencyKey;
    expect(key).to.match(/^orders@1\/shardId-2\/4\/-\/\+\/1\/sink\/[0-9a-f]{16}$/);
    expect(parkable(equal).write().idempotencyKey).to.equal(`${key}.2`);
  });

  it('of several leases never has the shard of one and the record of another in its key', () => {
    const [lost, one, two] = [tenureOf(0), tenureOf(1), tenureOf(2)];
    const all = [bundleOf(lost, one), bundleOf(lost, two)];
    lost.ended = true;
    for (const each of all) withoutEnded(each);
    const parked = parkable(...all);
    const { shardId, sequenceNumber } = parked.place;
    expect(sequenceNumber).to.equal(String(2 + Number(shardId.slice(-1))));
    expect(parked.write().idempotencyKey).to.include(`orders@1/${shardId}/${sequenceNumber}/-/+/`);
  });

  it('of one item has not the key of the item if it has several values', () => {
    const message = new SentMessage('v', itemOf(3, tenureOf(1), stage), undefined, 1);
    const of = { of: [message], at, route: undefined, format: json, unique: '-/1-u', isFed: false };
    const [one, several] = [['v'], ['v', 'w']].map((values) => new ParkableMessage({ ...of, values }));
    expect(one!.write().idempotencyKey).to.equal('orders@1/shardId-1/3/-/0');
    expect(several!.write().idempotencyKey).to.match(/^orders@1\/shardId-1\/3\/-\/0\/1\/sink\/[0-9a-f]{16}$/);
    expect([one!.place.itemIndex, several!.place.itemIndex]).to.deep.equal([0, undefined]);
  });

  it('is late when all of its leases have ended', () => {
    const [one, two] = [tenureOf(1), tenureOf(2)];
    const parked = parkable(bundleOf(one, two));
    one.ended = true;
    expect(parked.isLate).to.equal(false);
    two.ended = true;
    expect(parked.isLate).to.equal(true);
  });
});

describe('a message of several leases', () => {
  it('names those that have not ended', () => {
    const [one, two] = [tenureOf(1), tenureOf(2)];
    const message = new SentMessage('v', bundleOf(one, two), undefined, 1);
    expect(message.leases.map(({ fence }) => fence)).to.deep.equal([1, 2]);
    expect(message.lease).to.equal(undefined);
    one.ended = true;
    expect(message.lease).to.include({ shardId: 'shardId-2', fence: 2 });
  });
});

describe('the place of a record whose policy has not answered', () => {
  const failed = { source: 's', shardId: 'h', sequenceNumber: '1', at: 'extract', items: 0 } as const;

  it('has the time of its arrival if that is known', () => {
    const cause = new Error('no');
    const at0 = { actor: 'stage', state: 'waiting', forMs: 30, error: cause };
    const placeOf = (more: object) =>
      pendingAt(
        'stage',
        { subject: { since: 70 }, failure: { cause, failed: { ...failed, ...more }, attempt: 1 } },
        100,
      );
    expect(placeOf({})).to.deep.equal(at0);
    expect(placeOf({ arrivedAt: 9 })).to.deep.equal({ ...at0, arrivedAt: 9 });
  });
});
