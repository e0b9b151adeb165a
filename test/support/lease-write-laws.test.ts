// The laws of lease writes must accept the writes that kinact makes, and must name each broken one.
import { expect } from 'chai';
import { leaseUpdate, wishUpdate, type UpdateParts } from '../../src/aws/dynamodb/lease-update.js';
import type { LeaseChange } from '../../src/api/ports.js';
import type { WitnessedWrite, WriteRequest } from './lease-witness.js';
import { judgeWrites } from './lease-write-laws.js';

const failoverMs = 1_000;
const writerOf = (worker: string): string => `${worker}-nonce/1`;

/** Writes to one row. Every worker's id is `id of <its name>`. */
class Story {
  readonly writes: WitnessedWrite[] = [];
  #at = 0;
  #counter = 0;

  constructor() {
    const Item = { leaseKey: { S: 's' }, leaseCounter: { N: '0' }, checkpoint: { S: 'TRIM_HORIZON' } };
    this.#add('a', 'PutItem', { Item });
  }

  after(ms: number): this {
    this.#at += ms;
    return this;
  }

  /** The last write is refused, because its author had already made it. */
  refused(): this {
    this.writes.push({ ...this.writes.pop()!, accepted: false });
    this.#counter -= 1;
    return this;
  }

  update(worker: string, change: LeaseChange, writer = worker, counter = this.#counter): this {
    this.#counter += 1;
    return this.parts(worker, leaseUpdate({ counter }, change, writerOf(writer)));
  }

  take(worker: string): this {
    return this.update(worker, { leaseOwner: `id of ${worker}`, failoverMs });
  }

  release(worker: string): this {
    return this.update(worker, { leaseOwner: null });
  }

  checkpoint(worker: string, checkpoint: string): this {
    return this.update(worker, { checkpoint: { checkpoint, subSequenceNumber: 0 } });
  }

  handOver(worker: string, heir: string): this {
    return this.update(worker, { handOver: { workerId: `id of ${heir}`, writer: writerOf(heir), failoverMs } });
  }

  wish(worker: string, holder: string, number = 1): this {
    const text = `${writerOf(worker)} ${failoverMs} ${number} ${writerOf(holder)} id of ${worker}`;
    const expected = { owner: `id of ${holder}`, writer: writerOf(holder) };
    return this.parts(worker, wishUpdate(expected, { author: writerOf(worker), text }));
  }

  /** The row is deleted, and `worker` creates it again. */
  again(worker: string, checkpoint: string, counter: number): this {
    this.#counter = counter;
    const Item = { leaseKey: { S: 's' }, leaseCounter: { N: String(counter) }, checkpoint: { S: checkpoint } };
    return this.other('somebody', 'DeleteItem').#add(worker, 'PutItem', { Item });
  }

  parts(worker: string, parts: Partial<UpdateParts>): this {
    return this.#add(worker, 'UpdateItem', { Key: { leaseKey: { S: 's' } }, ...parts });
  }

  other(worker: string, operation: string): this {
    return this.#add(worker, operation, { Key: { leaseKey: { S: 's' } } });
  }

  #add(worker: string, operation: string, request: WriteRequest): this {
    const at = { at: this.#at, sentAt: this.#at, doneAt: (this.#at += 1) };
    this.writes.push({ worker, operation, leaseKey: 's', request, accepted: true, shown: undefined, ...at });
    return this;
  }

  judged() {
    return judgeWrites(this.writes, (workerId) => /^id of (.+)$/.exec(workerId)?.[1]);
  }
}

const story = (): Story => new Story();
const wished = (): Story => story().take('a').checkpoint('a', '5').wish('b', 'a');

describe('the laws of lease writes', () => {
  it('accept a hand-over, a release, a take by force in time, and a withdrawn wish', () => {
    const { complaints, changes } = wished()
      .update('a', { answer: `yielding ${writerOf('b')}` })
      .handOver('a', 'b')
      .take('b')
      .wish('c', 'b')
      .parts('c', wishUpdate({ owner: '', writer: '' }, { author: writerOf('c'), text: null }))
      .release('b')
      .take('c')
      .after(failoverMs + 1)
      .take('a')
      .judged();
    expect(complaints).to.deep.equal([]);
    expect(changes.map(({ kind, from, to }) => [kind, from, to])).to.deep.equal([
      ['take', undefined, 'a'],
      ['handOver', 'a', 'b'],
      ['release', 'b', undefined],
      ['take', undefined, 'c'],
      ['take', 'c', 'a'],
    ]);
  });

  it('ignore refused writes', () => {
    const { writes } = story().take('a').checkpoint('b', '5');
    const refused = writes.map((write) => (write.worker === 'b' ? { ...write, accepted: false } : write));
    expect(judgeWrites(refused, () => 'a').complaints).to.deep.equal([]);
  });

  const broken: Readonly<Record<string, Story>> = {
    'taken from a, silent for': wished()
      .after(failoverMs - 10)
      .take('b'),
    'the owner is a': story().take('a').checkpoint('b', '5'),
    'the owner is b': wished().handOver('a', 'b').checkpoint('a', '7'),
    'a hand-over without a wish': story().take('a').handOver('a', 'b'),
    'handed to id of c, and wished for by id of b': wished().handOver('a', 'c'),
    'its wish was for the tenure of': story().take('a').wish('b', 'c').handOver('a', 'b'),
    'a handOver of what a owns': wished().handOver('c', 'b'),
    'a release of what a owns': story().take('a').release('b'),
    'the checkpoint falls': story().take('a').checkpoint('a', '50').checkpoint('a', '7'),
    'its condition is counter 0': story().take('a').update('a', {}, 'a', 0),
    'kinactWish outlives the tenure': wished().parts('a', {
      ...leaseUpdate({ counter: 2 }, {}, writerOf('a')),
      UpdateExpression: 'SET #leaseCounter = :v1 REMOVE #leaseOwner',
      ExpressionAttributeNames: { '#leaseCounter': 'leaseCounter', '#leaseOwner': 'leaseOwner' },
    }),
    'the living wish of id of b is replaced': wished().wish('c', 'a'),
    'a wish for the tenure of': story().take('a').wish('b', 'c'),
    'a wish for a lease that nobody holds': story().wish('b', 'a'),
    'DeleteItem is no write that is expected': story().take('a').other('a', 'DeleteItem'),
    'its holder makes it again before where it stood': story()
      .take('a')
      .checkpoint('a', '5')
      .again('a', 'TRIM_HORIZON', 9),
    'it is made again where it never stood': story().take('a').checkpoint('a', '5').again('b', '4', 9),
    'its counter falls': story().take('a').checkpoint('a', '5').again('a', '5', 2),
    'a row that was there is put again': story().other('a', 'PutItem'),
  };
  for (const [what, told] of Object.entries(broken))
    it(`report '${what}'`, () => {
      expect(told.judged().complaints.join('\n')).to.include(what);
    });

  it('accept that a deleted row is created again at a checkpoint that it had, and taken', () => {
    const held = (): Story => story().take('a').checkpoint('a', '5').checkpoint('a', '7');
    for (const told of [held().again('a', '7', 9), held().again('b', '5', 9)]) {
      const { complaints, changes } = told.take('a').release('a').take('b').judged();
      expect(complaints).to.deep.equal(['s #3, by somebody: DeleteItem is no write that is expected here']);
      expect(changes.map(({ kind, remade }) => [kind, remade])).to.deep.equal([
        ['take', false],
        ['take', true],
        ['release', false],
        ['take', false],
      ]);
    }
  });

  it('report a lapse of an owner that writes again after its right to deliver has ended', () => {
    const { complaints, changes, lapses } = story()
      .take('a')
      .after(failoverMs / 2)
      .checkpoint('a', '5')
      .after(failoverMs)
      .checkpoint('a', '7')
      .judged();
    expect(complaints).to.deep.equal([]);
    expect(changes).to.have.length(1);
    expect(lapses.map(({ from, row }) => [from, row['checkpoint']?.S])).to.deep.equal([['a', '7']]);
  });

  it('report a lapse if a write was in time, but the owner learned of it too late', () => {
    const third = story()
      .take('a')
      .checkpoint('a', '5')
      .after(failoverMs / 3)
      .checkpoint('a', '7');
    const heard = third.after(failoverMs / 3).checkpoint('a', '9');
    expect(heard.judged().lapses).to.deep.equal([]);
    const unheard = story()
      .take('a')
      .checkpoint('a', '5')
      .after(failoverMs / 2)
      .checkpoint('a', '7');
    unheard.update('a', { checkpoint: { checkpoint: '9', subSequenceNumber: 0 } }, 'a', 2).refused();
    const { complaints, lapses } = unheard
      .after(failoverMs / 2)
      .checkpoint('a', '9')
      .checkpoint('a', '11')
      .judged();
    expect(complaints).to.deep.equal([]);
    expect(new Set(lapses.map(({ row }) => row['checkpoint']?.S))).to.deep.equal(new Set(['9']));
  });

  it('report a lapse if an answer may have reached the owner too late, except a new owner', () => {
    const late = story()
      .take('a')
      .checkpoint('a', '5')
      .after(failoverMs / 2)
      .checkpoint('a', '7')
      .after(failoverMs / 2)
      .checkpoint('a', '9')
      .judged();
    expect(late.lapses.map(({ from, row }) => [from, row['checkpoint']?.S])).to.deep.equal([['a', '7']]);
    const given = story()
      .take('a')
      .checkpoint('a', '5')
      .wish('b', 'a')
      .handOver('a', 'b')
      .after(failoverMs / 2)
      .checkpoint('b', '5')
      .after(failoverMs / 2)
      .checkpoint('b', '7');
    expect(given.judged().lapses).to.deep.equal([]);
  });

  it('report an update that creates a row', () => {
    const { writes } = story().take('a');
    expect(judgeWrites(writes.slice(1), () => 'a').complaints.join()).to.include('an update makes a row');
  });

  it('report a table that shows another row than the writes add up to', () => {
    const writes = story()
      .take('a')
      .checkpoint('a', '5')
      .writes.map((write) => ({ ...write, shown: {} }));
    expect(judgeWrites(writes, () => 'a').complaints.join()).to.include('the table shows another leaseCounter');
  });
});
