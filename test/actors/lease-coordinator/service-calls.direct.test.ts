// Calls of services for a stream: they end with the stream, and the first failure of many ends the rest.
import { expect } from 'chai';
import { createRows } from '../../../actors/lease-coordinator/streams/row-creation.js';
import { callFor, endCalls, type StreamCalls } from '../../../actors/lease-coordinator/streams/stream-calls.js';
import { refuseTable } from '../../../actors/lease-coordinator/streams/table-check.js';
import { KinactError } from '../../../src/api/errors.js';
import { leaseRow, memoryLeaseStore } from '../../support/memory-lease-store.js';

const forStream = () => ({ calls: { running: new Set(), haveEnded: false } as StreamCalls });

describe('a call for a stream', () => {
  it('ends when the stream is forgotten, also if it begins later, or if its own signal has aborted', async () => {
    const stream = forStream();
    const isAborted = (signal: AbortSignal): Promise<boolean> => Promise.resolve(signal.aborted);
    const { signal } = new AbortController();
    expect(await callFor(stream, isAborted)(signal)).to.equal(false);
    expect(await callFor(stream, isAborted)(AbortSignal.abort())).to.equal(true);
    const running = callFor(
      stream,
      (own) => new Promise((resolve) => own.addEventListener('abort', () => resolve('aborted'))),
    )(signal);
    endCalls(stream);
    expect(await running).to.equal('aborted');
    expect(await callFor(stream, isAborted)(signal)).to.equal(true);
    expect(stream.calls.running.size).to.equal(0);
  });
});

describe('the creation of rows', () => {
  it('begins no more of them after the first failure, and rejects with it', async () => {
    const store = memoryLeaseStore();
    const error = new Error('refused');
    store.script('create', { type: 'failBefore', error });
    const rows = Array.from({ length: 100 }, (_, index) => leaseRow({ leaseKey: `s${index}` }));
    const callbacks = { shardIdOf: ({ leaseKey }: { readonly leaseKey: string }) => leaseKey, noteExisting: () => {} };
    const thrown = await createRows(store, rows, callbacks, new AbortController().signal).catch(
      (each: unknown) => each,
    );
    expect(thrown).to.equal(error);
    expect(store.calls.length).to.be.at.most(20);
  });
});

describe('a table that a source must not use', () => {
  it('is not refused for a row that cannot be read or that does not show it: the next scan decides', async () => {
    const { signal } = new AbortController();
    const objection = { leaseKey: 's', stands: () => false, reason: 'is used by others' };
    const store = memoryLeaseStore([leaseRow({ leaseKey: 's' })]);
    const refused = (): Promise<unknown> =>
      refuseTable(store, 'orders', objection, signal).catch((each: unknown) => each);
    expect(await refused())
      .to.have.property('message')
      .that.includes('older than its rows');
    const error = new KinactError('MALFORMED_LEASE', 'no counter', {
      data: { leaseKey: 's' },
    });
    store.script('get', { type: 'failBefore', error });
    expect(await refused())
      .to.have.property('message')
      .that.includes('row s of the lease table cannot be read');
  });
});
