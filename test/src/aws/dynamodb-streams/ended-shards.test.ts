// Which shards are closed and what their children are, learnt with few calls. Each test counts the calls. Virtual time.
import { expect } from 'chai';
import { endedShards, type EndedShards } from '../../../../src/aws/dynamodb-streams/ended-shards.js';
import type { FilteredChildren, WholeListing } from '../../../../src/aws/dynamodb-streams/stream-pages.js';
import type { Shard } from '../../../../src/api/ports.js';
import { ManualClock } from '../../../../src/testing/manual-clock.js';

const never = new AbortController().signal;
const startingSequenceNumber = '1';
const open = (shardId: string, parentShardId?: string): Shard => ({
  shardId,
  startingSequenceNumber,
  ...(parentShardId === undefined ? {} : { parentShardId }),
});
const closed = (shardId: string, parentShardId?: string): Shard => ({
  ...open(shardId, parentShardId),
  endingSequenceNumber: '9',
});
const ids = (shards: readonly Shard[] | undefined): string[] | undefined => shards?.map(({ shardId }) => shardId);

interface World {
  readonly clock: ManualClock;
  readonly ended: EndedShards;
  readonly calls: string[];
  shards: Shard[];
  pages: number;
  streamArn: string;
  filter: (shardId: string) => FilteredChildren;
  /** As a sync of the coordinator. */
  list(): void;
}

function world(): World {
  const clock = new ManualClock();
  const calls: string[] = [];
  const listing = (): WholeListing => ({
    shards: made.shards,
    serviceTimeMs: clock.wallNow(),
    streamArn: made.streamArn,
    pages: made.pages,
  });
  const ended = endedShards({
    clock,
    timers: clock,
    list: async () => {
      calls.push('all');
      made.list();
      return listing();
    },
    childrenOf: async (shardId) => {
      calls.push(shardId);
      return made.filter(shardId);
    },
  });
  const made: World = {
    clock,
    ended,
    calls,
    shards: [open('a'), open('b')],
    pages: 1,
    streamArn: 'one',
    filter: (shardId) => {
      const children = made.shards.filter(({ parentShardId }) => parentShardId === shardId);
      return children.length === 0 ? { type: 'none' } : { type: 'children', children, serviceTimeMs: clock.wallNow() };
    },
    list: () => ended.noteListing(listing(), clock.now()),
  };
  return made;
}

const rollAll = (made: World): void =>
  void (made.shards = made.shards.flatMap(({ shardId }) => [closed(shardId), open(`${shardId}1`, shardId)]));

/** The answers to readers of these shards that ask at the same time. */
async function answersOf({ ended, clock }: World, ...shardIds: readonly string[]): Promise<(readonly Shard[])[]> {
  const answers = Promise.all(shardIds.map((shardId) => ended.listingFor(shardId)(never)));
  answers.catch(() => undefined);
  await clock.advance(1_000);
  return (await answers).map(({ shards }) => shards);
}

describe('the ended shards of a table', () => {
  it('are known after one listing for all readers that ask at the same time, and cost later readers nothing', async () => {
    const made = world();
    rollAll(made);
    await answersOf(made, 'a', 'b');
    expect(made.calls).to.deep.equal(['all']);
    expect(made.ended.known(['a', 'b'])).to.include({ showsExpiry: true, streamArn: 'one' });
    expect(ids(made.ended.known(['a'])?.shards)).to.deep.equal(['a', 'a1', 'b', 'b1']);
    await answersOf(made, 'b');
    expect(made.calls).to.deep.equal(['all']);
  });

  it('are not known while they are listed open, or without a child, or for longer than a minute', async () => {
    const made = world();
    expect(made.ended.known(['a']), 'before any listing').to.equal(undefined);
    made.list();
    expect(made.ended.known(['a']), 'open').to.equal(undefined);
    made.shards = [closed('a'), closed('b'), open('b1', 'b')];
    made.list();
    expect(made.ended.known(['a']), 'without a child').to.equal(undefined);
    expect(made.ended.known(['a', 'b']), 'one of two').to.equal(undefined);
    await made.clock.advance(59_999);
    expect(made.ended.known(['b'])).to.not.equal(undefined);
    await made.clock.advance(1);
    expect(made.ended.known(['b']), 'a minute later').to.equal(undefined);
  });

  it('cost one call each while fewer shards ask than the listing has pages', async () => {
    const made = world();
    made.pages = 3;
    made.list();
    rollAll(made);
    const [first] = await answersOf(made, 'a', 'b');
    expect(made.calls).to.deep.equal(['a', 'b']);
    expect(first!.find(({ shardId }) => shardId === 'a')).to.have.property('endingSequenceNumber');
    expect(ids(made.ended.known(['b', 'a'])?.shards)).to.have.members(['a', 'a1', 'b', 'b1']);
    await answersOf(made, 'a');
    expect(made.calls, 'a closed shard stays closed').to.deep.equal(['a', 'b']);
    await made.clock.advance(60_000);
    expect(made.ended.known(['a'])).to.equal(undefined);

    made.pages = 2;
    made.shards = ['c', 'd', 'e'].map((shardId) => open(shardId));
    made.list();
    rollAll(made);
    await answersOf(made, 'c', 'd', 'e');
    expect(made.calls.slice(2), 'the first at once, the others as many as pages').to.deep.equal(['c', 'all']);
  });

  it('are known together from a listing and from single answers, each shard once and closed', async () => {
    const made = world();
    made.pages = 3;
    made.shards = [closed('a'), open('a1', 'a'), open('b')];
    made.list();
    rollAll(made);
    await answersOf(made, 'b');
    const known = made.ended.known(['a', 'b'])!;
    expect(ids(known.shards)).to.have.members(['a', 'a1', 'b', 'b1']);
    expect(known.shards.find(({ shardId }) => shardId === 'b')).to.have.property('endingSequenceNumber');
  });

  it('are listed if an answer has no child: the shard may be open, or its child is listed late', async () => {
    const made = world();
    made.pages = 3;
    made.list();
    const [shards] = await answersOf(made, 'a');
    expect(made.calls).to.deep.equal(['a', 'all']);
    expect(shards).to.deep.equal([open('a'), open('b')]);
    rollAll(made);
    await answersOf(made, 'a');
    expect(made.calls.slice(2), 'the filter is used again').to.deep.equal(['a']);
  });

  it('are listed from then on if the server has no such filter', async () => {
    const made = world();
    made.pages = 3;
    made.list();
    made.filter = () => ({ type: 'noFilter' });
    rollAll(made);
    await answersOf(made, 'a');
    made.shards = [open('c')];
    await answersOf(made, 'c');
    expect(made.calls).to.deep.equal(['a', 'all', 'all']);
  });

  it('are listed after a call for the children of one shard has failed: the server may fail for the filter alone', async () => {
    const made = world();
    made.pages = 3;
    made.list();
    rollAll(made);
    const { filter } = made;
    made.filter = () => {
      throw new Error('a fault');
    };
    expect(await answersOf(made, 'a').catch((error: Error) => error.message)).to.equal('a fault');
    await answersOf(made, 'a');
    made.filter = filter;
    made.shards = [open('c')];
    await answersOf(made, 'c');
    rollAll(made);
    await answersOf(made, 'c');
    expect(made.calls).to.deep.equal(['a', 'all', 'c', 'all', 'c']);
  });

  it('show whether records may have expired if the listing is whole, or if the ids say that the shards are young', async () => {
    const made = world();
    const hoursOld = (hours: number): string =>
      `shardId-${String(made.clock.wallNow() - hours * 3_600_000).padStart(20, '0')}-0a0b0c0d`;
    const [young, old] = [hoursOld(22), hoursOld(24)];
    made.pages = 9;
    made.shards = [young, old, 'b'].map((shardId) => open(shardId));
    made.list();
    rollAll(made);
    await answersOf(made, young, old, 'b');
    expect([young, old, 'b'].map((shardId) => made.ended.known([shardId])?.showsExpiry)).to.deep.equal([
      true,
      false,
      false,
    ]);
    made.list();
    expect(made.ended.known([old])?.showsExpiry, 'after a listing').to.equal(true);
  });

  it('are forgotten when the table has another stream, whose shards may have the same ids', async () => {
    const made = world();
    made.pages = 3;
    made.list();
    rollAll(made);
    await answersOf(made, 'a');
    made.streamArn = 'two';
    made.shards = [open('a')];
    made.list();
    expect(made.ended.known(['a'])).to.equal(undefined);
    await answersOf(made, 'a');
    expect(made.calls).to.deep.equal(['a', 'a', 'all']);
  });

  it('do not lack a shard because an earlier reader of it has left', async () => {
    const made = world();
    made.list();
    await answersOf(made, 'b');
    made.pages = 3;
    made.list();
    rollAll(made);
    const left = new AbortController();
    const earlier = made.ended
      .listingFor('a')(left.signal)
      .catch(() => 'left');
    const later = made.ended.listingFor('a')(never);
    left.abort();
    await made.clock.advance(1_000);
    expect(await earlier).to.equal('left');
    expect(ids((await later).shards)).to.deep.equal(['a', 'a1']);
  });
});
