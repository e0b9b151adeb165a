// Whatever happens between keeper, workers, table and other owners: I1, I2 and I20 (docs/invariants.md) hold at every write.
// Each change of the row is judged as it happens, so no law depends on when the test looks.
// `me` holds the lease; `you` takes it. `begin` is a shard worker's request for a tenure; `frontier` reports what has been
// settled; `end` is its last report, `down` its death without one, `plan` the coordinator's answer to whether the shard may end.
import { expect } from 'chai';
import fc from 'fast-check';
import { comparePositions } from '../../src/core/sequence-number.js';
import { compareCheckpoints } from '../../src/core/checkpoint.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { durableCheckpoint } from '../../src/core/lease-state.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { driveKeeper, failoverMs, marginMs, me, nonce, shardId, type KeeperDriver } from '../support/keeper-driver.js';
import { leaseRow, memoryLeaseStore } from '../support/memory-lease-store.js';
import { drawnRuns } from '../support/sampled.js';
import { seeded } from '../support/seeded.js';

type Command =
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'frontier'; readonly by: number; readonly sub: number; readonly stale: boolean }
  | { readonly do: 'fault'; readonly fault: 'failBefore' | 'failAfter' | 'holdBefore' | 'holdAfter' }
  | { readonly do: 'foreignTake'; readonly signed: boolean; readonly progress: boolean }
  | { readonly do: 'suspend'; readonly ms: number }
  | { readonly do: 'release'; readonly deadlineMs: number }
  | { readonly do: 'begin' | 'answerHeld' | 'down' | 'drained' | 'shardEnd' | 'crash' | 'deleteRow' };

const weighted: fc.WeightedArbitrary<Command>[] = [
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(0, 1, 150, 1_000, 3_000, 9_000) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('frontier' as const),
      by: fc.integer({ min: -2, max: 5 }),
      sub: fc.nat(2),
      stale: fc.constantFrom(true, false, false, false),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      fault: fc.constantFrom('failBefore' as const, 'failAfter' as const, 'holdBefore' as const, 'holdAfter' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('foreignTake' as const), signed: fc.boolean(), progress: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('suspend' as const), ms: fc.constantFrom(500, 5_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('release' as const), deadlineMs: fc.constantFrom(0, 2_000, 20_000) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('begin' as const, 'begin' as const, 'answerHeld' as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'down' as const,
        'drained' as const,
        'shardEnd' as const,
        'crash' as const,
        'deleteRow' as const,
      ),
    }),
  },
];

/** One shard, one table, one keeper of `me` at a time, and other workers that may take the lease at any time. */
class Harness {
  readonly store = memoryLeaseStore([leaseRow({ leaseKey: shardId, leaseCounter: 4 })]);
  keeper!: KeeperDriver;
  foreign = false;
  keepers = 0;
  shardWorkers = 0;
  tenures: Tenure[] = [];
  /** What workers reported to each keeper, as `number/sub`, by `kinactWriter`: late writes of an earlier keeper are judged, too. */
  reported = new Map<string, Set<string>>();
  /** Checkpoints that some row has held. */
  durable = new Set<string>();
  held: (() => void)[] = [];
  lastOwnWriteAt = 0;
  /** The newest record, so that the progress of another owner is ahead of this keeper's. */
  newest = 100;
  violations: string[] = [];

  constructor() {
    const { rows } = this.store;
    const set = rows.set.bind(rows);
    rows.set = (leaseKey, row) => {
      const before = rows.get(leaseKey);
      this.durable.add(`${row.checkpoint}/${row.checkpointSubSequenceNumber}`);
      if (!this.foreign) this.judge(before, row);
      return set(leaseKey, row);
    };
  }

  judge(before: LeaseRow | undefined, after: LeaseRow): void {
    const law = (holds: boolean, text: string): void => {
      if (!holds) this.violations.push(text);
    };
    if (after.kinactWriter === this.writer) this.lastOwnWriteAt = this.keeper?.clock.now ?? 1_000;
    if (before === undefined) return;
    const [was, is] = [durableCheckpoint(before), durableCheckpoint(after)];
    law(compareCheckpoints(is, was) >= 0, `I2: checkpoint ${was.checkpoint} became ${is.checkpoint}`);
    law(after.leaseCounter === before.leaseCounter + 1, 'the counter rises by one');
    if (compareCheckpoints(is, was) !== 0 && is.checkpoint !== 'SHARD_END') {
      law(
        this.reported.get(after.kinactWriter!)?.has(`${is.checkpoint}/${is.subSequenceNumber}`) === true,
        `I1: nobody reported ${is.checkpoint}`,
      );
    }
    const takes = before.leaseOwner !== me || before.kinactWriter !== after.kinactWriter;
    if (takes) {
      law(after.leaseOwner === me, 'I20: a row that is not held is only ever taken');
      law(compareCheckpoints(is, was) === 0, 'I20: a take moves no checkpoint');
    }
  }

  get writer(): string {
    return `${nonce}/${this.keepers}`;
  }

  async newKeeper(): Promise<void> {
    // A new row's counter is the service's time, which is above every counter that a late write to the deleted row may expect.
    if (!this.store.rows.has(shardId))
      this.asForeign(() => this.store.put({ leaseKey: shardId, leaseCounter: 1_700_000_000 + 1_000 * this.keepers }));
    const seenRow = this.store.row(shardId);
    const old = this.keeper;
    this.keepers += 1;
    this.reported.set(this.writer, new Set());
    this.tenures = [];
    this.keeper = await driveKeeper({ store: this.store, seenRow, writer: this.writer });
    // Time continues, although each driver starts its own clock.
    if (old !== undefined) await this.keeper.advance(Math.max(0, old.clock.now - this.keeper.clock.now));
  }

  asForeign(act: () => void): void {
    this.foreign = true;
    act();
    this.foreign = false;
  }

  get tenure(): Tenure | undefined {
    return this.tenures.findLast((tenure) => !tenure.ended);
  }

  async run(command: Command): Promise<void> {
    if (this.keeper.ended) await this.newKeeper();
    const { keeper, store } = this;
    switch (command.do) {
      case 'advance':
        return keeper.advance(command.ms);
      case 'begin': {
        await keeper.askForTenure(++this.shardWorkers);
        return;
      }
      case 'frontier': {
        const tenure = command.stale ? this.tenures.at(-2) : this.tenure;
        if (tenure === undefined) return;
        const sequenceNumber = String(this.newest + command.by);
        this.newest = Math.max(this.newest, this.newest + command.by);
        // What a stale worker reports must never reach the row, so it is not noted as reported.
        if (!command.stale) this.reported.get(this.writer)!.add(`${sequenceNumber}/${command.sub}`);
        else if (this.tenure !== tenure)
          return keeper.reportFrontier(tenure, '999999', { subSequenceNumber: command.sub });
        return keeper.reportFrontier(tenure, sequenceNumber, { subSequenceNumber: command.sub });
      }
      case 'fault':
        if (command.fault === 'failBefore' || command.fault === 'failAfter')
          store.script('update', { type: command.fault });
        else {
          const until = new Promise<void>((resolve) => this.held.push(resolve));
          store.script('update', { type: command.fault, until });
        }
        return;
      case 'answerHeld':
        this.held.splice(0).forEach((resolve) => resolve());
        return keeper.untilIdle();
      case 'foreignTake':
        if (!store.rows.has(shardId)) return;
        return this.asForeign(() => {
          store.takeAs(shardId, 'you', command.signed ? 'n2/1' : undefined);
          const row = store.row(shardId);
          if (!command.progress || row.checkpoint === 'SHARD_END') return;
          this.newest += 1;
          store.rows.set(shardId, { ...row, checkpoint: String(this.newest), leaseCounter: row.leaseCounter + 1 });
        });
      case 'suspend':
        return keeper.suspend(command.ms);
      case 'release':
        return keeper.tell({ type: 'release', reason: 'stop', deadlineMs: command.deadlineMs });
      case 'down':
        return this.tenure === undefined ? undefined : keeper.killShardWorker(this.tenure.shardWorkerNumber);
      case 'drained':
        return this.tenure === undefined ? undefined : keeper.endShardWorker(this.tenure, { type: 'drained', open: 1 });
      case 'shardEnd':
        if (this.tenure === undefined) return;
        await keeper.endShardWorker(this.tenure, { type: 'shardEnd', notFound: false });
        return keeper.questions.length === 0 ? undefined : keeper.plan({ type: 'ready', childShardIds: [] });
      case 'crash':
        keeper.stop('crash');
        return this.newKeeper();
      case 'deleteRow':
        store.rows.delete(shardId);
        return;
    }
  }

  /** Checks what must be true at any time. */
  look(): void {
    const { keeper } = this;
    for (const answer of keeper.answers.values()) {
      if (answer.type !== 'granted' || this.tenures.includes(answer.tenure)) continue;
      const last = this.tenures.at(-1);
      if (last !== undefined) {
        expect(last.ended, 'one tenure at a time').to.equal(true);
        expect(answer.tenure.fence, 'fences rise').to.be.above(last.fence);
      }
      this.tenures.push(answer.tenure);
    }
    for (const tenure of this.tenures) {
      if (tenure.ended) expect([tenure.deadline, tenure.signal.aborted]).to.deep.equal([0, true]);
      else expect(tenure.deadline, 'deadline').to.be.at.most(this.lastOwnWriteAt + failoverMs - marginMs);
    }
    if (keeper.ended) expect(this.tenure, 'a tenure outlives its keeper').to.equal(undefined);
    for (const event of keeper.events) {
      if (event.name !== 'checkpoint') continue;
      const { sequenceNumber, subSequenceNumber } = event.data;
      const ended = this.durable.has('SHARD_END/0');
      expect(ended || this.durable.has(`${sequenceNumber}/${subSequenceNumber}`), 'told before durable').to.equal(true);
    }
    const told = keeper.events.flatMap((event) => (event.name === 'checkpoint' ? [event.data] : []));
    expect(told.every((data, index) => index === 0 || comparePositions(told[index - 1]!, data) < 0)).to.equal(true);
    expect(this.violations).to.deep.equal([]);
  }
}

describe('a keeper among faults, crashes and other owners', () => {
  it('keeps I1, I2 and I20 at every write, and writes its frontier once the faults stop', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(...weighted), { minLength: 5, maxLength: 60, size: 'max' }),
        async (commands) => {
          const harness = new Harness();
          await harness.newKeeper();
          for (const command of commands) {
            await harness.run(command);
            harness.look();
          }
          harness.held.splice(0).forEach((resolve) => resolve());
          await harness.keeper.advance(30_000);
          harness.look();
          const { keeper } = harness;
          if (keeper.ended || keeper.state.releaseOrder !== undefined || keeper.state.shardEnd !== undefined) return;
          expect(keeper.row).to.deep.include({ leaseOwner: me, kinactWriter: harness.writer });
          const { frontier } = keeper.state.lease;
          if (
            frontier !== undefined &&
            compareCheckpoints(durableCheckpoint(keeper.row), {
              checkpoint: frontier.sequenceNumber,
              subSequenceNumber: frontier.subSequenceNumber,
            }) < 0
          ) {
            expect.fail('the frontier is not durable');
          }
        },
      ),
      seeded(drawnRuns(2_000)),
    );
  });
});
