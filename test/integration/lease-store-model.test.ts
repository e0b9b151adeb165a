// Compares the lease store in memory, which the tests of keeper and coordinator rely on, with the real one. Any sequence of calls
// must have the same outcomes and leave the same rows in both.
import { expect } from 'chai';
import fc from 'fast-check';
import { openLeaseTable } from '../../src/aws/dynamodb/lease-table.js';
import type { LeaseStore } from '../../src/api/ports.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { call, keys, perform, sorted } from '../support/lease-calls.js';
import { memoryLeaseStore } from '../support/memory-lease-store.js';

const signal = new AbortController().signal;

describe('the lease store in memory', () => {
  let servers: LocalServers;
  let table: LeaseStore;

  before(async () => {
    servers = await startLocalServers();
    const { region, credentials } = servers.clientConfig.dynamodb;
    table = openLeaseTable({
      tableName: 'model',
      region,
      credentials,
      endpoint: servers.dynamodb,
      clock: { now: () => performance.now(), wallNow: () => Date.now() },
      timers: {
        after(ms, callback) {
          const timer = setTimeout(callback, ms);
          return () => clearTimeout(timer);
        },
      },
    });
    await table.ensureTable(signal);
  });
  after(async () => {
    table.close();
    await servers.stop();
  });

  it('gives the same answers, and ends with the same rows, as the lease table on dynalite', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 6, maxLength: 14 }), async (calls) => {
        const memory = memoryLeaseStore();
        for (const leaseKey of keys) {
          const left = await table.get(leaseKey, signal);
          if (left !== undefined) await table.delete(leaseKey, left.leaseCounter, signal);
        }
        for (const each of calls) {
          expect(sorted(await perform(table, each)), JSON.stringify(each)).to.deep.equal(
            sorted(await perform(memory, each)),
          );
        }
        for (const leaseKey of keys) {
          expect(sorted(await table.get(leaseKey, signal))).to.deep.equal(sorted(await memory.get(leaseKey, signal)));
        }
      }),
      { numRuns: 60 },
    );
  });
});
