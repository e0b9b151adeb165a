// Real processes while the stream is resharded and one of them is killed; and two processes that share a worker id.
import { MergeShardsCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { heldBy, isActive, ownersOf, startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { allSeen, outOfOrder, replays } from '../support/fleet-laws.js';
import { readStrictly } from '../support/strict-lease-reader.js';

const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;
const quarter = 2n ** 126n;

describe('a fleet of processes while the stream is resharded', function () {
  this.timeout(150_000);
  let fleet: Fleet;
  let stopWriting: () => Promise<void>;
  before(async () => {
    fleet = await startFleet({ shards: 2 });
    stopWriting = fleet.keepWriting(24, 150);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
  });
  const active = (): Promise<true> => fleet.until('ACTIVE', () => isActive(fleet.kinesis, fleet.streamName));
  const split = async (shardId: string, NewStartingHashKey: bigint): Promise<void> => {
    await fleet.kinesis.send(
      new SplitShardCommand({
        StreamName: fleet.streamName,
        ShardToSplit: shardId,
        NewStartingHashKey: String(NewStartingHashKey),
      }),
    );
    await active();
  };
  const merge = async (ShardToMerge: string, AdjacentShardToMerge: string): Promise<void> => {
    const shards = { StreamName: fleet.streamName, ShardToMerge, AdjacentShardToMerge };
    await fleet.kinesis.send(new MergeShardsCommand(shards));
    await active();
  };
  const delivers = (shardId: string): Promise<true> =>
    fleet.until(`${shardId} is delivering`, () => fleet.deliveries().some((each) => each.shardId === shardId));

  it('follows splits and merges, with a process killed in between, and loses nothing', async () => {
    const workers = ['a', 'b', 'c'].map((name) => fleet.start(name));
    await Promise.all([delivers(idOf(0)), delivers(idOf(1))]);
    // 0 → 2, 3 and 1 → 4, 5; then 3 + 4 → 6 across the two families.
    await split(idOf(0), quarter);
    await split(idOf(1), 3n * quarter);
    for (const index of [2, 3, 4, 5]) await delivers(idOf(index));
    await fleet.balanced(workers);
    const rows = await fleet.rows();
    const dying = workers.find((worker) => heldBy(rows, worker).includes(idOf(3)))!;
    await merge(idOf(3), idOf(4));
    dying.kill('SIGKILL');
    await delivers(idOf(6));
    await fleet.balanced(workers.filter((worker) => worker !== dying));
    await stopWriting();
    await allSeen(fleet);
    const left = workers.filter(({ alive }) => alive);
    for (const worker of left) worker.kill('SIGTERM');
    for (const worker of left) expect(await worker.exited, worker.name).to.equal(0);
    await readStrictly(fleet.dynamodb, fleet.application, { afterCleanStop: true, expectKinact: true });
    expect(outOfOrder(fleet.deliveries())).to.deep.equal([]);
    process.stdout.write(`        ${fleet.written.length} written, 0 lost, ${replays(fleet)} replays\n`);
  });
});

describe('a process killed with a record inside its reducer', function () {
  this.timeout(60_000);
  let fleet: Fleet;
  before(async () => {
    fleet = await startFleet({ shards: 1, application: 'killed-app', streamName: 'killed', keys: 1 });
  });
  after(() => fleet?.stop());

  it('has never checkpointed past it, whatever came behind, and its heir delivers it', async () => {
    const counter = async (): Promise<number> => Number((await fleet.rows()).get(idOf(0))?.['leaseCounter']?.N ?? 0);
    const dying = fleet.start('dying', { holdId: 'k0/5', failoverMs: 3_000, reducers: 2 });
    await fleet.put(10);
    await fleet.until('all before it', () => fleet.deliveries().length >= 5);
    // Two renewals later everything that is going to be checkpointed has been.
    const before = await counter();
    await fleet.until('two renewals', async () => (await counter()) >= before + 2);
    dying.kill('SIGKILL');
    await dying.exited;
    const row = (await fleet.rows()).get(idOf(0));
    const last = fleet.deliveries().at(-1);
    expect(last?.id).to.equal('k0/4');
    expect(row?.['checkpoint']?.S).to.equal(last?.sequenceNumber);
    const heir = fleet.start('heir', { failoverMs: 3_000 });
    await allSeen(fleet);
    const again = fleet.deliveries().filter(({ worker }) => worker === 'heir');
    expect(
      again.map(({ id }) => id),
      'from the frontier on, and nothing before it',
    ).to.deep.equal(['k0/5', 'k0/6', 'k0/7', 'k0/8', 'k0/9']);
    heir.kill('SIGTERM');
    expect(await heir.exited).to.equal(0);
    await readStrictly(fleet.dynamodb, fleet.application, { afterCleanStop: true, expectKinact: true });
  });
});

describe('two processes with one worker id', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  before(async () => {
    fleet = await startFleet({ shards: 2, application: 'twins-app', streamName: 'twins' });
  });
  after(() => fleet?.stop());

  it('do not corrupt each other: one gives up with WORKER_ID_IN_USE, and what is left reads everything', async () => {
    const [elder, younger] = [fleet.start('elder', { workerId: 'same' }), fleet.start('younger', { workerId: 'same' })];
    const stopWriting = fleet.keepWriting(12, 100);
    const complaints = (): number =>
      [elder, younger]
        .flatMap((worker) => worker.events('warning'))
        .filter(({ data }) => data.error?.code === 'WORKER_ID_IN_USE').length;
    await fleet.until('a complaint', () => complaints() > 0);
    await fleet.until('both leases held', async () => ownersOf(await fleet.rows()).get('same') === 2);
    await stopWriting();
    await allSeen(fleet);
    // Sooner or later one of them holds what there is and the other leaves it alone: the counters rise by renewals only.
    const taken = (): number => elder.events('leaseTaken').length + younger.events('leaseTaken').length;
    process.stdout.write(`        ${complaints()} complaints, ${taken()} takes, ${replays(fleet)} replays\n`);
    for (const worker of [elder, younger]) worker.kill('SIGTERM');
    for (const worker of [elder, younger]) expect(await worker.exited, worker.name).to.equal(0);
    expect(outOfOrder(fleet.deliveries())).to.deep.equal([]);
    await readStrictly(fleet.dynamodb, fleet.application, { afterCleanStop: true, expectKinact: true });
  });
});
