// Leases that another worker has asked for count as that worker's: a worker that joins later asks for no more than an even share.
import { expect } from 'chai';
import { failoverText } from '../../../src/core/lease-failover.js';
import { wishText } from '../../../src/core/lease-wish.js';
import { writerOf, writerPrefixOf } from '../../../src/core/writer-signature.js';
import { driveCoordinator } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../../support/memory-lease-store.js';

const failoverMs = 10_000;
const holder = writerOf(writerPrefixOf('peer', 'p'), 1);
const asker = writerOf(writerPrefixOf('you', 'y'), 1);

describe('a coordinator beside a worker that asks', () => {
  for (const { asked, wishes } of [
    { asked: 0, wishes: 4 },
    { asked: 2, wishes: 3 },
  ])
    it(`asks for ${wishes} of eight leases of one holder if another worker has asked for ${asked}`, async () => {
      const stream = listedStream({ shards: 8 });
      const rows = stream.shards.map(({ shardId }, place) => ({
        ...leaseRow({
          leaseKey: shardId,
          leaseOwner: 'peer',
          leaseCounter: 5,
          kinactWriter: holder,
          kinactFailover: failoverText(failoverMs, holder),
        }),
        ...(place < asked
          ? { kinactWish: wishText({ writer: asker, failoverMs, number: 1, holder, workerId: 'you' }) }
          : {}),
      }));
      const driver = driveCoordinator({ stream, store: memoryLeaseStore(rows), failoverMs });
      await driver.started();
      await driver.harness.advance(failoverMs / 2);
      const keys = driver.keepers.filter(({ args }) => args.wish !== undefined).map(({ args }) => args.leaseKey);
      expect(keys).to.have.length(wishes);
      for (const { leaseKey } of rows.slice(0, asked)) expect(keys).to.not.include(leaseKey);
    });
});
