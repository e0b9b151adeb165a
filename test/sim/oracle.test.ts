// Cases that the simulation once reported by mistake as a fault of kinact, for one seed each. Beside each stands a similar case that
// is a fault, and that it must report.
import { expect } from 'chai';
import type { ActorSnapshot } from '../../src/api/status.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { ScriptedKinesis } from '../../src/testing/scripted-server/scripted-kinesis.js';
import { watchdogMs } from './cluster.js';
import { createCalls } from './calls.js';
import { createDice } from './dice.js';
import { createLayout } from './layout.js';
import { createOracle, type Oracle } from './oracle.js';
import { recreateStream } from './recreating.js';
import { sample } from './samples.js';
import type { World } from './world.js';

const shardId = 'shardId-000000000000';

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

describe('the law on records that stay open although their items are done (I10)', () => {
  /** A worker whose oldest record is `ageMs` old, while an earlier process has done all items of the shard. */
  const looksAt = (hasHung: boolean, ageMs: number): readonly string[] => {
    const oracle = oracleOfThree();
    oracle.acknowledged(['a', 'b', 'c']);
    const shardWorker: ActorSnapshot = {
      path: `shard-worker/${shardId}#1`,
      kind: 'shard-worker',
      phase: 'running',
      state: { source: 's', shardId, openRecords: 1, openBytes: 10, oldestOpen: { ageMs } },
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
      clock: { now: () => 0, wallNow: () => 0 },
      nameOf: (_: string, id: string) => id,
      oracle,
      trimmed: new Set(),
      fanOut: { laws: { look: () => {} }, lateMs: new Map() },
      processes: [process],
    } as unknown as World);
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
