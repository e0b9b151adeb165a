// The judge of the hand-over benchmark finds each fault, and its accounts count each call. The tests write the notes of the runs.
import { expect } from 'chai';
import { costOf, describe as describeCall, type CallKind, type TableCall } from '../../bench/hand-over-calls.js';
import { judge, percentile, type Delivered, type DrainOrder, type Notes } from '../../bench/hand-over-judge.js';
import { medianSteal, pictureOf } from '../../bench/hand-over-picture.js';
import { handOver } from '../../bench/hand-over.js';
import type { HandOverRun } from '../../bench/hand-over-run.js';
import { leaseUpdate, wishUpdate } from '../../src/aws/dynamodb/lease-update.js';

/** A delivery of the shard `s`. `2@7` is worker w2 under fence 7. */
function delivered(by: string, at: number, serial: number): Delivered {
  const [worker, fence] = by.split('@');
  return { id: `s/${serial}`, shardId: 's', worker: `w${worker}`, fence: Number(fence), at };
}

const order = (by: string, at: number): DrainOrder => delivered(by, at, 0);

function notes(deliveries: readonly Delivered[], more: Partial<Notes> = {}): Notes {
  return { written: deliveries.map(({ id }) => id), deliveries, orders: [], stops: new Map(), ...more };
}

async function outcomeOf(run: Partial<HandOverRun>) {
  let printed = '';
  const clean: HandOverRun = {
    ...notes([delivered('1@1', 0, 0)]),
    calls: [],
    reads: [],
    rounds: [0, 100],
    undrained: [],
  };
  const output = { stdout: (text: string) => (printed += text), stderr: () => {} };
  const code = await handOver([], async () => ({ ...clean, ...run }), output);
  return { code, last: printed.trimEnd().split('\n').at(-1) };
}

describe('the judge of the hand-over benchmark', () => {
  it('measures a steal from the order to drain, or from the last delivery if it is later', () => {
    const waited = [delivered('1@1', 10, 0), delivered('2@5', 300, 1)];
    const [first] = judge(notes(waited, { orders: [order('1@1', 200)] })).moves;
    expect(first).to.include({ kind: 'steal', from: 'w1', to: 'w2', ms: 100, ordered: true, at: 300 });
    const drained = [delivered('1@1', 250, 0), delivered('2@5', 300, 1)];
    expect(judge(notes(drained, { orders: [order('1@1', 200)] })).moves).to.have.nested.property('[0].ms', 50);
  });

  it('measures a leave from the stop, and marks a take by force as not ordered', () => {
    const deliveries = [delivered('1@1', 10, 0), delivered('2@5', 300, 1)];
    const stops = new Map([['w1', 100]]);
    const [left] = judge(notes(deliveries, { stops, orders: [order('1@1', 120)] })).moves;
    expect(left).to.include({ kind: 'leave', ms: 200 });
    expect(judge(notes(deliveries)).moves[0]).to.include({ kind: 'steal', ms: 290, ordered: false });
  });

  it('counts a move as a steal if the order to drain came before the stop', () => {
    const deliveries = [delivered('1@1', 10, 0), delivered('2@5', 300, 1)];
    const [move] = judge(notes(deliveries, { stops: new Map([['w1', 100]]), orders: [order('1@1', 90)] })).moves;
    expect(move).to.include({ kind: 'steal', ms: 210 });
  });

  it('counts a take by force before the stop of the old owner as a steal', () => {
    const deliveries = [delivered('1@1', 10, 0), delivered('2@5', 60, 1), delivered('1@1', 110, 2)];
    const [move] = judge(notes(deliveries, { stops: new Map([['w1', 100]]), orders: [order('1@1', 105)] })).moves;
    expect(move).to.include({ kind: 'steal', ms: -50, ordered: false });
  });

  it('counts no move when a worker continues under a new fence', () => {
    expect(judge(notes([delivered('1@1', 1, 0), delivered('1@4', 2, 1)])).moves).to.deep.equal([]);
  });

  it('finds lost records, and records that came twice', () => {
    const deliveries = [delivered('1@1', 1, 0), delivered('2@5', 2, 0)];
    const { lost, twice } = judge(notes(deliveries, { written: ['s/0', 's/1'] }));
    expect(lost).to.deep.equal(['s/1']);
    expect(twice).to.deep.equal([deliveries[1]]);
  });

  it('finds two workers that deliver one shard at once, even with a third worker between them', () => {
    const deliveries = [delivered('1@1', 1, 0), delivered('2@5', 2, 1), delivered('3@9', 3, 2), delivered('1@1', 5, 3)];
    expect(judge(notes(deliveries)).together).to.deep.equal([
      's: w2 began 3 ms before w1 had ended',
      's: w3 began 2 ms before w1 had ended',
    ]);
  });

  it('takes percentiles by the nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile([7], 0.99)]).to.deep.equal([50, 99, 7]);
  });
});

describe('npm run bench -- hand-over', () => {
  it('prints ok and ends with 0 when every record came once', async () => {
    const { code, last } = await outcomeOf({});
    expect(last).to.match(/^bench hand-over: ok, 1 written, 0 lost, 0 delivered twice, 0 times two deliverers/);
    expect(code).to.equal(0);
  });

  const failures: Readonly<Record<string, Partial<HandOverRun>>> = {
    '1 lost': { written: ['s/0', 's/1'] },
    '1 delivered twice': { deliveries: [delivered('1@1', 0, 0), delivered('1@1', 1, 0)] },
    '1 times two deliverers': {
      deliveries: [delivered('1@1', 0, 0), delivered('2@1', 1, 1), delivered('1@1', 2, 2)],
    },
    'stopped without being drained: w3': { undrained: ['w3'] },
    '0 written': { written: [] },
  };
  for (const [what, run] of Object.entries(failures))
    it(`fails with '${what}'`, async () => {
      const { code, last } = await outcomeOf(run);
      expect(last)
        .to.match(/^bench hand-over: FAILED/)
        .and.to.include(what);
      expect(code).to.equal(1);
    });

  it('refuses a --rounds value that is not a positive integer, and runs nothing', async () => {
    let printed = '';
    const output = { stdout: (text: string) => (printed += text), stderr: () => {} };
    const unused = (): Promise<HandOverRun> => Promise.reject(new Error('it was run'));
    expect(await handOver(['--rounds', 'many'], unused, output)).to.equal(1);
    expect(printed).to.equal("bench hand-over: FAILED, --rounds: expected a positive integer, got 'many'\n");
  });
});

describe('the account of what a move costs', () => {
  const expected = { owner: 'w1', writer: 'aa.1/1' };
  const heir = { workerId: 'w2', writer: 'bb.1/1', failoverMs: 10_000 };
  const checkpoint = { checkpoint: '5', subSequenceNumber: 0 };
  const requests: readonly (readonly [CallKind, string, object])[] = [
    ['wish', 'w2', wishUpdate(expected, { author: 'bb.1/1', text: 'bb.1/1 …' })],
    ['withdrawal', 'w2', wishUpdate(expected, { author: 'bb.1/1', text: null })],
    ['renewal', 'w1', leaseUpdate({ counter: 1 }, { checkpoint }, 'aa.1/1')],
    ['answer', 'w1', leaseUpdate({ counter: 1 }, { answer: 'yielding bb.1/1' }, 'aa.1/1')],
    ['hand-over', 'w1', leaseUpdate({ counter: 1 }, { checkpoint, handOver: heir }, 'aa.1/1')],
    ['take', 'w2', leaseUpdate({ counter: 1 }, { leaseOwner: 'w2', countOwnerSwitch: true }, 'bb.1/1')],
    ['release', 'w2', leaseUpdate({ counter: 1 }, { checkpoint, leaseOwner: null }, 'bb.1/1')],
  ];

  it('recognises each kind of request that kinact makes', () => {
    const Key = { leaseKey: { S: 's' } };
    for (const [kind, worker, parts] of requests)
      expect(describeCall(worker, 'UpdateItem', { Key, ...parts })).to.include({ worker, leaseKey: 's', kind });
    expect(describeCall('w1', 'GetItem', { Key })).to.include({ leaseKey: 's', kind: 'look' });
    expect(describeCall('w1', 'Scan', {})).to.include({ leaseKey: undefined, kind: 'other' });
  });

  /** Makes calls from lines such as `w1 take`. A `!` at the end means that the call was refused. */
  const callsOf = (...lines: readonly string[]): TableCall[] =>
    lines.map((line, at) => {
      const [worker = '', kind = ''] = line.replace('!', '').split(' ');
      return { worker, kind: kind as CallKind, leaseKey: 's', at, accepted: !line.endsWith('!') };
    });

  it('leaves out the first take, and the renewals that would come without a move', () => {
    const first = ['w1 take', 'w1 renewal', 'w1 renewal'];
    const stolen = ['w2 wish', 'w2 look', 'w1 renewal', 'w1 answer', 'w1 hand-over', 'w2 take', 'w2 renewal'];
    const left = ['w2 renewal', 'w2 release', 'w1 take!', 'w3 take', 'w3 renewal', 'w3 renewal'];
    const costs = costOf(callsOf(...first, ...stolen, ...left), 0);
    expect(costs.get('steal')?.moves).to.equal(1);
    expect(Object.fromEntries(costs.get('steal')!.calls)).to.deep.equal({
      ...{ wish: 1, look: 1, answer: 1, 'hand-over': 1, take: 1, fence: 1 },
    });
    expect(costs.get('leave')?.moves).to.equal(1);
    expect(Object.fromEntries(costs.get('leave')!.calls)).to.deep.equal({
      ...{ release: 1, 'take, refused': 1, take: 1, fence: 1 },
    });
  });

  it('includes the refused renewal and the look of an owner that loses a lease by force', () => {
    const calls = callsOf('w1 take', 'w1 renewal', 'w2 take', 'w2 renewal', 'w1 renewal!', 'w1 look');
    expect(Object.fromEntries(costOf(calls, 0).get('steal')!.calls)).to.deep.equal({
      ...{ take: 1, fence: 1, 'renewal, refused': 1, look: 1 },
    });
  });
});

describe('the picture of a hand-over', () => {
  const calls: TableCall[] = [
    { worker: 'w2', leaseKey: 's', kind: 'wish', at: 100, accepted: true },
    { worker: 'w1', leaseKey: 's', kind: 'answer', at: 150, accepted: true },
    { worker: 'w1', leaseKey: 's', kind: 'hand-over', at: 210, accepted: true },
    { worker: 'w2', leaseKey: 's', kind: 'take', at: 220, accepted: true },
    { worker: 'w3', leaseKey: 'other', kind: 'release', at: 220, accepted: true },
  ];
  const run = notes([delivered('1@1', 90, 0), delivered('1@1', 190, 1), delivered('2@5', 300, 2)], {
    orders: [order('1@1', 200)],
  });

  it('shows every delivery and call of the two workers, and none of other workers', () => {
    const move = medianSteal(judge(run).moves)!;
    expect(move).to.include({ from: 'w1', to: 'w2', ms: 100 });
    const picture = pictureOf({ ...run, calls }, move);
    expect(picture.match(/class="tick"/g), 'three in all, and two of them in the last moments').to.have.length(5);
    for (const name of ['>wish<', '>answer<', '>hand-over<', '>take<', '>pauses<']) expect(picture).to.include(name);
    expect(picture).to.not.include('release');
  });

  it('takes the median steal, or none if no worker was ordered to drain', () => {
    const moves = [3, 1, 2].map((ms) => ({ ...judge(run).moves[0]!, ms }));
    expect(medianSteal(moves)!.ms).to.equal(2);
    expect(medianSteal(moves.map((move) => ({ ...move, ordered: false })))).to.equal(undefined);
  });
});
