// Cases that the simulation once reported by mistake as a fault of kinact, for one seed each. Beside each stands a similar case that
// is a fault, and that it must report.
import { expect } from 'chai';
import type { ActorSnapshot } from '../../src/api/status.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { ScriptedKinesis } from '../../src/testing/scripted-server/scripted-kinesis.js';
import { watchdogMs } from './cluster.js';
import { createCalls } from './calls.js';
import { knowsNoRows } from './conditions.js';
import { createDice } from './dice.js';
import type { Item } from './dynamodb/expressions.js';
import { createLayout, type Kind } from './layout.js';
import { createOracle, type Oracle } from './oracle.js';
import { misplace } from './misplacing.js';
import { recreateStream } from './recreating.js';
import { sample } from './samples.js';
import { createSourceLaw, type SourceLaw } from './source-law.js';
import { beyondTip } from './stream-log.js';
import type { World } from './world.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { leaseRow } from '../support/memory-lease-store.js';

const shardId = 'shardId-000000000000';
/** A seed whose operator misplaces a checkpoint. */
const misplacingSeed = 991_009;

/** Three items of one key, one record each. */
function oracleOfThree(now = (): number => 0): Oracle {
  const oracle = createOracle({
    now,
    failoverMsOf: () => 10_000,
    longestFailoverMs: 10_000,
    parentsOf: () => [],
    rowOf: () => undefined,
    onViolation: () => {},
  });
  for (const [at, id] of ['a', 'b', 'c'].entries())
    oracle.put({ shardId, sequenceNumber: String(100 + at), items: [[{ id, key: 'k' }]] });
  return oracle;
}

const broken = (oracle: Oracle, invariant: string): readonly string[] =>
  oracle.violations.filter((each) => each.invariant === invariant).map(({ text }) => text);

describe('the law on the order of a key (I6)', () => {
  const hand = (oracle: Oracle, process: string, id: string): void =>
    oracle.delivered({ process, id, shardId, fence: 1, isOver: false });

  it('reports a gap if the reducer never saw an item, even if the item was skipped', () => {
    const oracle = oracleOfThree();
    hand(oracle, 'p0', 'a');
    oracle.skipped(['b']);
    hand(oracle, 'p0', 'c');
    expect(broken(oracle, 'I6')).to.deep.equal(['c of key k came without b in fence 1 of p0']);
  });

  it('reports no gap if extract failed and the record was skipped (seed 507 of 02aecfc)', () => {
    const oracle = oracleOfThree();
    hand(oracle, 'p0', 'a');
    oracle.notMade('p0', ['b']);
    hand(oracle, 'p0', 'c');
    expect(broken(oracle, 'I6')).to.deep.equal([]);
  });

  it('reports a gap in a process whose own extract did not fail', () => {
    const oracle = oracleOfThree();
    hand(oracle, 'p1', 'a');
    oracle.notMade('p0', ['b']);
    hand(oracle, 'p1', 'c');
    expect(broken(oracle, 'I6')).to.deep.equal(['c of key k came without b in fence 1 of p1']);
  });
});

/** Looks once, after 40 s, at p0, which has nothing but a shard worker with this status. */
function lookAt(
  oracle: Oracle,
  state: object,
  {
    hasHung = false,
    nameOf = (_: string, id: string): string => id,
  }: { hasHung?: boolean; nameOf?: World['nameOf'] } = {},
): void {
  const shardWorker: ActorSnapshot = {
    path: `shard-worker/${shardId}#1`,
    kind: 'shard-worker',
    phase: 'running',
    state: { source: 's', shardId, openBytes: 10, ...state },
    queued: 0,
    effects: [],
    children: [],
  };
  const process = {
    hasHung,
    maxPending: 16,
    maxPendingBytes: 600,
    ended: undefined,
    stopped: false,
    machine: {
      name: 'p0',
      clock: { wallNow: () => 0 },
      alive: true,
      standsStill: () => false,
      mailWaits: () => false,
      resumedAt: () => -Infinity,
    },
    maxBytes: 1_000,
    largestAnswerBytes: 0,
    lags: { look: () => {} },
    consumer: { status: () => ({ tree: [shardWorker], bytes: { held: 10 } }) },
  };
  sample({
    clock: { now: () => 40_000, wallNow: () => 0 },
    nameOf,
    oracle,
    trimmed: new Set(),
    fanOut: { laws: { look: () => {} }, lateMs: new Map() },
    processes: [process],
  } as unknown as World);
}

describe('the law on records that stay open although their items are done (I10)', () => {
  /** A worker whose oldest record is `ageMs` old, while an earlier process has done all items of the shard. */
  const looksAt = (hasHung: boolean, ageMs: number): readonly string[] => {
    const oracle = oracleOfThree();
    oracle.acknowledged(['a', 'b', 'c']);
    lookAt(oracle, { openRecords: 1, oldestOpen: { ageMs } }, { hasHung });
    return broken(oracle, 'I10').map(() => 'stuck');
  };

  it('reports a record as stuck after a minute', () => {
    expect(looksAt(false, 59_000)).to.deep.equal([]);
    expect(looksAt(false, 61_000)).to.deep.equal(['stuck']);
  });

  it('leaves a record to the watchdog if a user call hangs (seed 9131 of 3fbde01)', () => {
    expect(looksAt(true, watchdogMs)).to.deep.equal([]);
    expect(looksAt(true, watchdogMs + 61_000)).to.deep.equal(['stuck']);
  });
});

describe('the law on records that stay open, for a stream that was deleted (I10)', () => {
  /** A worker of the stream has had a record open for 61 s. The stream is made again under its name, and `then` happens. */
  const looksAt = (oldest: object, then: (oracle: Oracle, prefix: string) => void): number => {
    let at = 0;
    const kinesis = new ScriptedKinesis({ now: () => at });
    const layout = createLayout(kinesis, 'one', {});
    const [stream] = layout.streams as readonly [string];
    layout.create(stream, 1);
    const name = layout.nameOf(stream, shardId);
    const first = kinesis.stream(stream).shards.get(shardId)?.startingSequenceNumber as string;
    const oracle = oracleOfThree();
    oracle.put({
      shardId: name,
      sequenceNumber: first,
      items: [[{ id: 'x', key: 'k' }], [{ id: 'y', key: 'k' }]],
    });
    then(oracle, layout.nameOf(stream, ''));
    kinesis.streams.delete(stream);
    at = 60_000;
    layout.create(stream, 1);
    const oldestOpen = { ageMs: 61_000, sequenceNumber: first, subSequenceNumber: 0, ...oldest };
    lookAt(oracle, { source: stream, openRecords: 1, oldestOpen }, { nameOf: layout.nameOf });
    return broken(oracle, 'I10').length;
  };

  it('excuses a record that the application still has not done (seed 994187)', () => {
    expect(looksAt({}, (oracle, prefix) => oracle.streamGone(prefix))).to.equal(0);
  });

  it('looks at the items of the old stream, and not of the new one', () => {
    expect(looksAt({}, () => {})).to.equal(0);
  });

  it('reports a record whose items are done, before or after the stream was deleted', () => {
    const before = looksAt({}, (oracle, prefix) => {
      oracle.acknowledged(['x']);
      oracle.streamGone(prefix);
    });
    const after = looksAt({}, (oracle, prefix) => {
      oracle.streamGone(prefix);
      oracle.acknowledged(['x']);
    });
    expect([before, after]).to.deep.equal([1, 1]);
    expect(
      looksAt({ subSequenceNumber: 1 }, (oracle, prefix) => {
        oracle.streamGone(prefix);
        oracle.acknowledged(['x']);
      }),
      'the other record of the aggregate',
    ).to.equal(0);
  });

  it('reports a record whose items are excused for another reason', () => {
    expect(looksAt({}, (oracle, prefix) => oracle.excuseAll(prefix))).to.equal(1);
  });
});

describe('the law on the lag that a worker says (I60)', () => {
  /** p0 says that it lags by a second. Its shard has records that are 40 s old and not done. */
  const saysAfter = (...rows: readonly (Partial<LeaseRow> | 'deleted')[]): number => {
    const oracle = oracleOfThree();
    let before: LeaseRow | undefined;
    for (const row of rows) {
      const after = row === 'deleted' ? undefined : leaseRow({ leaseKey: shardId, ...row });
      if (after === undefined) oracle.tampered(shardId);
      else oracle.wrote({ process: before?.leaseOwner ?? 'p0', leaseKey: shardId, before, after, sentAt: 0 });
      before = after;
    }
    lookAt(oracle, { openRecords: 0, lagMs: 1_000, millisBehindLatest: 0 });
    return broken(oracle, 'I60').length;
  };
  const good = { leaseOwner: 'p0', checkpoint: '99' };
  const misplaced = { leaseOwner: 'p0', checkpoint: beyondTip };

  it('reports a worker that makes its lag too small', () => {
    expect(saysAfter(good)).to.equal(1);
    expect(saysAfter(good, 'deleted')).to.equal(1);
  });

  it('excuses one that has its lease at a checkpoint beyond the tip, also after the row was deleted (seed 991033)', () => {
    expect(saysAfter(misplaced)).to.equal(0);
    expect(saysAfter(misplaced, 'deleted')).to.equal(0);
    expect(saysAfter(misplaced, 'deleted', { ...good, leaseOwner: 'p1' }), 'p0 cannot know').to.equal(0);
    const asked = { leaseOwner: 'p1', checkpoint: beyondTip, kinactWriter: 'p0/1', kinactWish: 'p0/1 1' };
    expect(saysAfter(asked, { ...asked, leaseOwner: 'p0' }), 'p1 has handed it over').to.equal(0);
  });

  it('reports one that began at a good checkpoint, or that has the lease at a good one again', () => {
    expect(saysAfter({ ...misplaced, leaseOwner: 'p1' })).to.equal(1);
    expect(saysAfter({ ...misplaced, leaseOwner: 'p1' }, 'deleted')).to.equal(1);
    expect(saysAfter(good, 'deleted', { ...misplaced, leaseOwner: 'p1' })).to.equal(1);
    expect(saysAfter(misplaced, 'deleted', good)).to.equal(1);
  });
});

describe('the law on ready workers of a stream that was created again (I37)', () => {
  /** The violations of a process that is ready while the table has rows of the old stream, or only of the new one. */
  const saysWith = async (rowsAreOld: boolean, isAway = false): Promise<readonly string[]> => {
    const clock = new ManualClock();
    const kinesis = new ScriptedKinesis({ now: () => clock.wallNow() });
    const layout = createLayout(kinesis, 'one', {});
    const [stream] = layout.streams as readonly [string];
    layout.create(stream, 2);
    const old = layout.nameOf(stream, shardId);
    const oracle = oracleOfThree(() => clock.now());
    const machine = {
      name: 'p0',
      alive: true,
      paused: false,
      standsStill: () => false,
      mischief: { delayed: 0 },
      kill: () => {},
      liveTimers: () => 0,
    };
    const consumer = { ready: () => ({ ok: true }), stop: () => Promise.resolve({ leases: [], drained: true }) };
    recreateStream(
      {
        clock,
        dice: createDice(1),
        kinesis,
        layout,
        oracle,
        calls: createCalls({ layout, oracle, now: () => clock.now() }),
        fanOut: { laws: { of: () => [] } },
        processes: [
          { machine, consumer, sources: { isAway: () => isAway }, wires: [], ended: undefined, stopped: false },
        ],
        leases: {
          rows: () => new Map([[rowsAreOld ? old : layout.nameOf(stream, shardId), {}]]),
          delete: () => {},
        },
        initialPosition: 'TRIM_HORIZON',
        lostStreams: new Set(),
        creatingUntil: new Map(),
        say: () => {},
        start: () => {},
      } as unknown as World,
      stream,
    );
    await clock.advance(200_000);
    return broken(oracle, 'I37');
  };

  it('forbids a ready worker while rows are of the old stream', async () => {
    expect(await saysWith(true)).to.have.length(1);
    expect(await saysWith(true, true), 'it does not have the stream now').to.deep.equal([]);
  });

  it('allows a ready worker if the table was created again for the new stream, too (seed 40186)', async () => {
    expect(await saysWith(false)).to.deep.equal([]);
  });
});

describe('the law on rows that are created again (I30)', () => {
  const leaseKey = 'sim/shardId-000000000000';
  const row = leaseRow({ leaseKey, leaseOwner: 'p0', checkpoint: '100' });

  /** p1 makes the row of p0 again at TRIM_HORIZON, two seconds after it was deleted. Returns the violations. */
  const makes = (kind: Kind, change: (law: SourceLaw) => void, started = true): number => {
    let at = 0;
    const kinesis = new ScriptedKinesis({ now: () => at });
    const layout = createLayout(kinesis, kind, {});
    for (const stream of layout.streams) layout.create(stream, 1);
    const sources = createSourceLaw(
      'p1',
      () => at,
      { troubles: () => '' },
      () => {},
    );
    const world = { layout, processes: [{ machine: { name: 'p1' }, started, sources }] } as unknown as World;
    const oracle = createOracle({
      now: () => at,
      failoverMsOf: () => 10_000,
      longestFailoverMs: 10_000,
      parentsOf: () => [],
      rowOf: () => row,
      knowsNoRows: (name, shard) => knowsNoRows(world, name, shard),
      onViolation: () => {},
    });
    oracle.wrote({ process: 'p0', leaseKey, before: undefined, after: row, sentAt: at });
    at = 20_000;
    oracle.wrote({ process: 'p0', leaseKey, before: row, after: { ...row, leaseCounter: 1 }, sentAt: at });
    oracle.tampered(leaseKey);
    at = 22_000;
    change(sources);
    const after = { ...row, leaseOwner: 'p1', checkpoint: 'TRIM_HORIZON' };
    oracle.wrote({ process: 'p1', leaseKey, before: undefined, after, sentAt: at });
    const { length } = broken(oracle, 'I30');
    // Since it was deleted, the row has been begun again if and only if that was excused.
    expect(oracle.remade.wasBegunAgain(leaseKey, 20_000)).to.equal(length === 0);
    expect(oracle.remade.wasBegunAgain(leaseKey, 22_001)).to.equal(false);
    return length;
  };
  const removed = (law: SourceLaw): void => {
    law.removing('sim');
    law.removed('sim', []);
  };
  const added = (law: SourceLaw): void => {
    removed(law);
    law.adding('sim');
  };

  it('excuses a process that begins to read the table, because it starts or adds the only source of the table', () => {
    expect(makes('multi', () => {}, false)).to.equal(0);
    for (const kind of ['one', 'several'] as const) expect(makes(kind, added), kind).to.equal(0);
  });

  it('reports a process that adds a source and reads another one of the table (seed 980144)', () => {
    expect(makes('multi', added)).to.equal(1);
  });

  it('reports a process that reads on, is still removing the source, or has added it', () => {
    for (const kind of ['one', 'several', 'multi'] as const) {
      expect(
        makes(kind, () => {}),
        kind,
      ).to.equal(1);
      expect(
        makes(kind, (law) => law.removing('sim')),
        kind,
      ).to.equal(1);
      expect(
        makes(kind, (law) => (law.removing('sim'), law.adding('sim'))),
        kind,
      ).to.equal(1);
      expect(
        makes(kind, (law) => (added(law), law.added('sim'))),
        kind,
      ).to.equal(1);
    }
  });

  it('reports a process that has just added a source of another table', () => {
    const another = (law: SourceLaw): void => {
      law.removing('other');
      law.removed('other', []);
      law.adding('other');
    };
    expect(makes('several', another)).to.equal(1);
  });
});

describe('the law on checkpoints beyond the tip (I65)', () => {
  const leaseKey = `sim/${shardId}`;
  interface Case {
    /** What happens to the row after the change by hand with this number, the first of which misplaces the checkpoint. */
    readonly after: 'misplaced' | 'corrected';
    readonly act: (table: Table) => void;
    readonly begunAgain?: boolean;
  }
  interface Table {
    readonly clock: ManualClock;
    delete(): void;
    /** A process creates or changes the row. */
    set(checkpoint: string): void;
  }

  /** An operator misplaces one checkpoint and corrects it. Returns the violations, the checkpoint at the end, and the changes by hand. */
  const operate = async ({ after, act, begunAgain = false }: Case) => {
    const clock = new ManualClock();
    const oracle = oracleOfThree(() => clock.now());
    const good = leaseRow({ leaseKey, leaseOwner: 'p0', checkpoint: '100' });
    let row: LeaseRow | undefined = good;
    const changes: number[] = [];
    const table: Table = {
      clock,
      delete: () => {
        oracle.tampered(leaseKey);
        row = undefined;
      },
      set: (checkpoint) => void (row = { ...good, checkpoint }),
    };
    const change = (_: string, changed: (item: Item) => Item): void => {
      table.set(changed({ leaseCounter: { N: '1' } })['checkpoint']?.S ?? '');
      changes.push(clock.now());
      if (changes.length === (after === 'misplaced' ? 1 : 2)) act(table);
    };
    const wasBegunAgain = (_: string, since: number): boolean => begunAgain && since === changes[0];
    misplace(
      {
        clock,
        java: undefined,
        isShutDown: false,
        kinesis: { streams: new Map([['sim', { shards: new Map([[shardId, { records: [{}] }]]) }]]) },
        layout: { isOfTheLast: () => changes.length === 0 },
        leases: { row: () => row, rows: () => new Map([[leaseKey, good]]), change },
        lostStreams: new Set(),
        oracle: { ...oracle, remade: { ...oracle.remade, wasBegunAgain } },
        processes: [{ machine: { name: 'p0', alive: true, kill: () => {} }, ended: undefined, stopped: false }],
        say: () => {},
        start: () => {},
      } as unknown as World,
      misplacingSeed,
    );
    await clock.advance(300_000);
    return { broken: broken(oracle, 'I65').length, checkpoint: row?.checkpoint, changes: changes.length };
  };
  /** The row is deleted after `afterMs`, and comes back with this checkpoint. */
  const comesBack =
    (checkpoint: string, afterMs: number) =>
    ({ clock, ...table }: Table): void => {
      clock.after(afterMs, table.delete);
      clock.after(afterMs + 5_000, () => table.set(checkpoint));
    };

  it('reports a number that the row gets before it is corrected', async () => {
    expect((await operate({ after: 'misplaced', act: ({ set }) => set('101') })).broken).to.be.above(0);
    expect((await operate({ after: 'misplaced', act: comesBack('99', 10_500) })).broken).to.be.above(0);
  });

  it('allows one if a process that knew no rows has begun the row again (seed 991009)', async () => {
    const act = ({ set }: Table): void => set('101');
    expect((await operate({ after: 'misplaced', act, begunAgain: true })).broken).to.equal(0);
  });

  it('allows one if the row was deleted before every worker had seen the misplaced checkpoint', async () => {
    expect(await operate({ after: 'misplaced', act: comesBack('99', 9_500) })).to.deep.equal({
      ...{ broken: 0, checkpoint: '99', changes: 1 },
    });
  });

  it('lets the operator correct a row again that was deleted before every worker had seen it corrected (seed 994035)', async () => {
    const again = { broken: 0, checkpoint: '100', changes: 3 };
    expect(await operate({ after: 'corrected', act: comesBack(beyondTip, 400) })).to.deep.equal(again);
    expect(await operate({ after: 'corrected', act: comesBack(beyondTip, 9_500) })).to.deep.equal(again);
  });

  it('lets nobody correct it again if every worker had seen it corrected, so that its records stay unread', async () => {
    expect(await operate({ after: 'corrected', act: comesBack(beyondTip, 10_500) })).to.deep.equal({
      ...{ broken: 0, checkpoint: beyondTip, changes: 2 },
    });
  });
});
