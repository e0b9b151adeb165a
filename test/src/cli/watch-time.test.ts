// How long `kinact reset` and `kinact adopt` watch before they write: as long as the rows say that a holder may be silent.
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import type { LeaseRewriter } from '../../../src/aws/dynamodb/lease-rewriter.js';
import type { Kcl3Remains } from '../../../src/aws/dynamodb/kcl3-remains.js';
import { adoptTables } from '../../../src/cli/adopt.js';
import type { CommandIo } from '../../../src/cli/command.js';
import { minWatchMs, runReset } from '../../../src/cli/reset-run.js';
import { failoverText } from '../../../src/core/lease-failover.js';
import { writerPrefixOf, writerOf } from '../../../src/core/writer-signature.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { Environment } from '../../../src/api/source.js';
import { listedStream } from '../../support/listed-stream.js';
import { leaseRow } from '../../support/memory-lease-store.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const writer = writerOf(writerPrefixOf('w', 'p'), 1);

interface Instant extends Environment {
  /** The milliseconds of all waits so far. */
  readonly waited: () => number;
}

/** An environment in which every wait is over at once. */
function instant(): Instant {
  let now = 0;
  return {
    clock: { now: () => now, wallNow: () => now },
    timers: {
      after: (ms, callback) => {
        now += ms;
        setImmediate(callback);
        return () => undefined;
      },
    },
    random: { next: () => 0.5 },
    waited: () => now,
  };
}

function told(): CommandIo & { readonly said: () => string } {
  const stderr = new PassThrough();
  return {
    stdin: new PassThrough(),
    stdout: new PassThrough().resume(),
    stderr,
    env: {},
    signal: new AbortController().signal,
    said: () => String(stderr.read() ?? ''),
  };
}

const held = (leaseKey: string, failoverMs: number, more: Partial<LeaseRow> = {}): LeaseRow =>
  leaseRow({
    leaseKey,
    leaseOwner: 'w',
    kinactWriter: writer,
    kinactFailover: failoverText(failoverMs, writer),
    ...more,
  });

async function reset(rows: readonly LeaseRow[], watchMs = minWatchMs): Promise<{ waited: number; said: string }> {
  const environment = instant();
  const io = told();
  const table: LeaseRewriter = {
    scan: () => Promise.resolve({ rows, malformed: [], serviceTimeMs: 1 }),
    write: () => Promise.resolve('written'),
    close: () => undefined,
  };
  const request = { tableName: 'app', stream: { streamName: 'orders' }, only: undefined, watchMs, yes: true };
  const retry = { ...environment, retryForMs: 1_000, name: 'the stream' };
  const place = { environment, table, open: () => listedStream() };
  expect(await runReset({ ...request, to: { type: 'trimHorizon' }, retry }, place, io)).to.equal(0);
  return { waited: environment.waited(), said: io.said() };
}

describe('kinact reset', () => {
  it('watches leases for the longest failoverMs in the row of a holder, if that is above 30 s', async () => {
    const { waited, said } = await reset([held(zero, 20_000), held(one, 120_000)]);
    expect(said).to.match(/^watching .* for 120 s/);
    expect(waited).to.equal(120_000);
  });

  it('watches leases for 30 s if no kinact owner names more, or for the requested longer time', async () => {
    expect((await reset([held(zero, 20_000), held(one, 120_000, { leaseOwner: 'java' })])).waited).to.equal(30_000);
    expect((await reset([held(zero, 20_000), held(one, 45_000)], 60_000)).waited).to.equal(60_000);
  });
});

describe('kinact adopt', () => {
  it('watches the tables for the longest failoverMs of a holder, if that is above watchMs', async () => {
    for (const [failoverMs, watchedMs] of [
      [0, 70_000],
      [300_000, 300_000],
    ] as const) {
      const environment = instant();
      const io = told();
      const tables: Kcl3Remains = {
        find: () =>
          Promise.resolve({
            remains: [{ type: 'row', key: 'Leader', entityType: 'LEADER', item: {} }],
            picture: new Map(),
            failoverMs,
            strangers: [],
          }),
        remove: () => Promise.resolve('removed'),
        close: () => undefined,
      };
      expect(await adoptTables({ tableName: 'app', watchMs: 70_000, yes: true }, { tables, environment }, io)).to.equal(
        0,
      );
      expect(environment.waited()).to.equal(watchedMs);
      expect(io.said()).to.contain(` for ${watchedMs / 1_000} s`);
    }
  });
});
