// Hand-overs with faults of the lease table, on real processes: a row is deleted, or calls are refused as if the table were over its
// capacity. In further cases workers read several streams, with one table for all or one for each.
import { DeleteItemCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { localClientConfig } from '../../src/testing/local-servers.js';
import { type WorkerProcess, heldBy } from '../support/fleet.js';
import { ownersDeliver } from '../support/fleet-laws.js';
import { forcedFrom, kindsOf, playHandOverCases, type HandOverCase } from '../support/hand-over-cases.js';
import {
  failoverMs,
  isHandOver,
  isWish,
  isYielding,
  newOwner,
  type Ending,
  type Is,
  type Scene,
} from '../support/hand-over-scene.js';
import { setBy, type WitnessedWrite, type WriteRequest } from '../support/lease-witness.js';

const somebody = 'somebody';

/** Deletes the row before any later write to it. Resolves with the counter and checkpoint of the deleted row. */
async function deleteRow(
  { fleet, witness }: Scene,
  leaseKey: string,
): Promise<{ counter: number; checkpoint: bigint }> {
  const client = new DynamoDBClient(localClientConfig(witness.endpoint(somebody)));
  try {
    const Key = { leaseKey: { S: leaseKey } };
    const deletion = new DeleteItemCommand({ TableName: fleet.application, Key, ReturnValues: 'ALL_OLD' });
    const { Attributes: row = {} } = await client.send(deletion);
    return { counter: Number(row['leaseCounter']?.N), checkpoint: BigInt(row['checkpoint']?.S ?? '') };
  } finally {
    client.destroy();
  }
}

type Deleted = Awaited<ReturnType<typeof deleteRow>>;

function expectMadeAgain({ changes, deliveries }: Ending, leaseKey: string, { counter, checkpoint }: Deleted): void {
  const again = deliveries.filter(({ shardId, fence }) => shardId === leaseKey && fence > counter);
  expect(again, 'delivered under a new fence').to.not.be.empty;
  const before = again.filter(({ sequenceNumber }) => BigInt(sequenceNumber) <= checkpoint);
  expect(before, 'before the last checkpoint').to.deep.equal([]);
  expect(changes.filter(({ remade }) => remade)).to.have.length(1);
}

/** No other worker has taken a lease by force from these living workers. */
function expectNothingForced({ changes }: Ending, workers: readonly WorkerProcess[]): void {
  for (const each of workers) expect(forcedFrom(changes, each), `taken from ${each.name}`).to.deep.equal([]);
}

const deletions: readonly HandOverCase[] = [
  {
    title: 'lets the holder create the row again at its frontier if the row is deleted during the drain',
    name: 'deleted-while-drained',
    stranger: somebody,
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet, witness } = scene;
      const asker = await scene.asker();
      let deletion: Promise<Deleted> | undefined;
      const isMade: Is = (write) => write.accepted && write.operation === 'PutItem';
      const { leaseKey = '' } = await scene.meetDraining(
        (write) => (deletion = deleteRow(scene, write.leaseKey ?? '')),
      );
      const deleted = (await deletion)!;
      scene.hurry();
      await fleet.until('delivered under a new fence', () =>
        fleet.deliveries().some(({ shardId, fence }) => shardId === leaseKey && fence > deleted.counter),
      );
      await ownersDeliver(fleet, [holder, asker]);
      const ending = await scene.end();
      expectMadeAgain(ending, leaseKey, deleted);
      expectNothingForced(ending, [holder, asker]);
      expect(kindsOf(ending.changes, leaseKey).slice(0, 2)).to.deep.equal(['take', 'take']);
      const made = witness.writes.filter((write) => isMade(write) && write.leaseKey === leaseKey).at(-1);
      expect(made?.worker, 'only it knows where').to.equal(holder.name);
      // The new row has no owner, so the asker may be the first to take it.
      expect(ending.changes.some(({ to }) => to === asker.name)).to.equal(true);
    },
  },
  ...[
    { title: 'at once: the row comes back where a worker has seen it', name: 'deleted-when-given', waits: false },
    {
      title: 'when the row is back: it is where its holder left it, and nothing twice',
      name: 'deleted-long',
      waits: true,
    },
  ].map(({ title, name, waits }): HandOverCase => ({
    title: `survives a deletion of the row after the hand-over if the asker looks ${title}`,
    name,
    stranger: somebody,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const seen = await fleet.rows();
      const asker = await scene.asker();
      let deletion: Promise<Deleted> | undefined;
      const { leaseKey = '' } = await scene.meet('handed over', isHandOver, (write) => {
        asker.kill('SIGSTOP');
        deletion = deleteRow(scene, write.leaseKey ?? '');
      });
      const deleted = (await deletion)!;
      const back = fleet.until('it is back', async () => (await fleet.rows()).has(leaseKey));
      if (waits) await back;
      asker.kill('SIGCONT');
      await back;
      await ownersDeliver(fleet, [holder, asker]);
      const ending = await scene.end();
      // No process holds the lease at that moment. Only its old holder knows the last checkpoint; the asker saw the row at its start.
      const checkpoint = waits ? deleted.checkpoint : BigInt(seen.get(leaseKey)?.['checkpoint']?.S ?? '');
      expectMadeAgain(ending, leaseKey, { ...deleted, checkpoint });
      expectNothingForced(ending, [holder, asker]);
      expect(kindsOf(ending.changes, leaseKey).slice(0, 3)).to.deep.equal(['take', 'handOver', 'take']);
      if (waits) expect(ending.replayed).to.equal(0);
    },
  })),
];

/** Selects two of three calls of each kind about each row, so that every write takes three attempts. */
function mostCalls(): (input: WriteRequest) => boolean {
  const calls = new Map<string, number>();
  return ({ Key, UpdateExpression }) => {
    const kind = `${Key?.['leaseKey']?.S} ${UpdateExpression}`;
    const count = (calls.get(kind) ?? 0) + 1;
    calls.set(kind, count);
    return count % 3 !== 0;
  };
}

const refusedOf = (scene: Scene, is: Is): readonly WitnessedWrite[] =>
  scene.witness.writes.filter((write) => !write.accepted && is({ ...write, accepted: true }));

const isAnswer: Is = (write) => setBy(write)['kinactAnswer'] !== undefined;

const longMs = 4_000;

const throttlings: readonly HandOverCase[] = [
  {
    title: 'hands the lease over without a repeat while most calls are refused',
    name: 'throttled-most',
    throttled: true,
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      let heal = (): void => {};
      const handedOver = scene.meet('handed over', isHandOver);
      const drains = scene.meetDraining();
      await scene.meet('it asks', isWish, () => (heal = scene.throttle(mostCalls())));
      await drains;
      scene.hurry();
      await handedOver;
      heal();
      for (const [what, is] of Object.entries({ isAnswer, isWish, isHandOver }))
        expect(refusedOf(scene, is), what).to.not.be.empty;
      await ownersDeliver(fleet, [holder, asker]);
      const ending = await scene.end();
      expectNothingForced(ending, [holder, asker]);
      expect(ending.changes.some(({ kind, to }) => kind === 'handOver' && to === asker.name)).to.equal(true);
      expect(ending.replayed).to.equal(0);
    },
  },
  {
    title: 'hands the lease over late, without a repeat, if every call is refused at first',
    name: 'throttled-all',
    throttled: true,
    failovers: { holder: longMs, asker: longMs },
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      let heal = (): void => {};
      const { leaseKey } = await scene.meet('it yields', isYielding, () => (heal = scene.throttle()));
      const isOfIt: Is = (write) => write.leaseKey === leaseKey && newOwner(write) === asker.name;
      await fleet.until('refused three times', () => refusedOf(scene, isOfIt).length >= 3);
      heal();
      await ownersDeliver(fleet, [holder, asker]);
      const ending = await scene.end();
      expectNothingForced(ending, [holder, asker]);
      expect(kindsOf(ending.changes, leaseKey).slice(0, 2)).to.deep.equal(['take', 'handOver']);
      expect(ending.replayed).to.equal(0);
    },
  },
  {
    title: 'gives the asker a lease at last if every call is refused until the holder’s lease expires',
    name: 'throttled-long',
    throttled: true,
    play: async (scene, holder) => {
      const { fleet, witness } = scene;
      const asker = await scene.asker();
      let heal = (): void => {};
      const { doneAt } = await scene.meet('it yields', isYielding, () => (heal = scene.throttle()));
      const isOver: Is = ({ sentAt }) => sentAt > doneAt + 1.5 * failoverMs;
      await fleet.until('refused for so long', () => refusedOf(scene, isOver).length > 0);
      expect(witness.writes.filter((write) => write.accepted && write.sentAt > doneAt)).to.deep.equal([]);
      heal();
      await ownersDeliver(fleet, [holder, asker]);
      const ending = await scene.end();
      // The asker took the lease by force, or got it late, or got another lease instead.
      const isMove = ({ kind, to }: Ending['changes'][number]): boolean => kind !== 'release' && to === asker.name;
      expect(ending.changes.some(isMove)).to.equal(true);
      expectNothingForced(ending, [asker]);
    },
  },
];

const streams: readonly HandOverCase[] = [
  { title: 'two streams', name: 'two-streams', severalTables: false },
  { title: 'two streams with a lease table each', name: 'two-tables', severalTables: true },
].map(({ title, name, severalTables }): HandOverCase => {
  const more = `${name}-more`;
  return {
    title: `spreads the leases of ${title} evenly over three workers, without a repeat`,
    name,
    moreStreams: [more],
    severalTables,
    shards: 3,
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const askers = await scene.askers('asker', 'second');
      await scene.meetDraining();
      scene.hurry();
      await ownersDeliver(fleet, [holder, ...askers]);
      // Even counts are not enough: an open wish may still be answered, and would move one lease too many.
      await fleet.until('two each, and no wish is open', async () => {
        const rows = await fleet.rows();
        const isEven = [holder, ...askers].every((worker) => heldBy(rows, worker).length === 2);
        return isEven && [...rows.values()].every((row) => row['kinactWish'] === undefined);
      });
      const ending = await scene.end();
      const handed = ending.changes.filter(({ kind, from }) => kind === 'handOver' && from === holder.name);
      const isOfMore = new Set(handed.map(({ leaseKey }) => leaseKey.includes(more)));
      expect([...isOfMore].toSorted(), 'no stream has more than three').to.deep.equal([false, true]);
      expectNothingForced(ending, [holder, ...askers]);
      expect(ending.replayed).to.equal(0);
    },
  };
});

playHandOverCases('a hand-over with faults of the lease table', [...deletions, ...throttlings, ...streams]);
