// Symptom: after `kinact reset` had broken off, workers started on a table whose other rows still belonged to the former stream.
// Cause: only one row showed this, by a number before its shard's first. This row was rewritten first, and the other rows showed
// nothing.
import { expect } from 'chai';
import { driveCoordinator } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../support/memory-lease-store.js';
import { planReset } from '../../src/core/reset-plan.js';
import { streamIdentityOf } from '../../src/core/stream-identity.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';

describe('a reset that broke off, of rows that do not say which stream they belong to', () => {
  for (const written of [0, 1]) {
    it(`fails the start of a worker (${written} of 2 rows rewritten)`, async () => {
      const stream = listedStream({ shards: 2 });
      stream.recreate(2);
      // As Java workers left them in the former stream: one shard was being read, the other had been split and read to its end.
      const rows = [
        leaseRow({ leaseKey: zero, checkpoint: '5', leaseOwner: 'java' }),
        leaseRow({ leaseKey: one, checkpoint: 'SHARD_END' }),
      ];
      const store = memoryLeaseStore(rows);
      const signal = new AbortController().signal;
      const { shards, serviceTimeMs } = await stream.listShards({ type: 'all' }, signal);
      const plan = planReset({
        position: { type: 'trimHorizon' },
        only: undefined,
        shards,
        rows,
        malformed: [],
        rowContext: {
          keyPrefix: undefined,
          entityType: undefined,
          writer: 'w/0',
          serviceTimeMs,
          stream: streamIdentityOf(await stream.describe(signal)),
        },
      });
      if (plan.type !== 'plan') throw new Error(plan.reason);
      for (const step of plan.steps.slice(0, written)) if (step.type === 'rewrite') store.put(step.row);
      const driver = driveCoordinator({ stream, store });
      const outcome = await driver.started();
      expect(
        outcome?.type,
        `keepers: ${driver.keepers.map(({ args }) => args.leaseKey).join()}; ${[...store.rows.values()].map((r) => `${r.leaseKey} ${r.checkpoint} ${r.kinactStream}`).join('; ')}`,
      ).to.equal('failed');
    });
  }
});
