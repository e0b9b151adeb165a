// What the lease table sends to DynamoDB, and how it handles the answers: conditional writes, consistent reads of single rows, and
// errors that name the missing permission. The client is scripted.
import { expect } from 'chai';
import type { DynamoDbClientLike } from '../../../../src/aws/dynamodb/dynamodb-client.js';
import { openLeaseTable } from '../../../../src/aws/dynamodb/lease-table.js';
import type { LeaseStore, Timers } from '../../../../src/api/ports.js';

interface Sent {
  readonly operation: string;
  readonly input: Record<string, unknown>;
}

const signal = new AbortController().signal;
const row = { leaseKey: { S: 's' }, leaseCounter: { N: '8' }, checkpoint: { S: '42' }, leaseOwner: { S: 'other' } };

function thrown(name: string, more: object = {}): Error {
  return Object.assign(new Error('said so'), { name, $metadata: { httpStatusCode: 400 } }, more);
}

/** A lease table on a client that answers from a script and notes what it was sent. */
function scripted(answer: (sent: Sent) => unknown): { readonly table: LeaseStore; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  const client: DynamoDbClientLike = {
    send(command: { readonly constructor: { readonly name: string }; readonly input: Record<string, unknown> }) {
      const call = { operation: command.constructor.name.replace(/Command$/, ''), input: command.input };
      sent.push(call);
      return new Promise((resolve) => resolve(answer(call)));
    },
  };
  const clock = { now: () => 0, wallNow: () => 1_000 };
  const timers: Timers = {
    // The wait for a table that is being created is over at once; the deadlines of calls never come.
    after(ms, callback) {
      if (ms === 1) queueMicrotask(callback);
      return () => undefined;
    },
  };
  const table = openLeaseTable({ tableName: 'orders', client, clock, timers, tablePollMs: 1 });
  return { table, sent };
}

/** The DescribeTable answer for a lease table in this status. */
function lease(TableStatus: string): object {
  return {
    Table: {
      TableStatus,
      KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
    },
  };
}

function fail(error: Error): never {
  throw error;
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it was expected to reject'),
    (error: unknown) => error as Error,
  );
}

describe('the lease table on a scripted client', () => {
  it('takes the current row from the item of a failed condition, without another read', async () => {
    const { table, sent } = scripted(() => fail(thrown('ConditionalCheckFailedException', { Item: row })));
    const outcome = await table.update('s', { expected: { counter: 7 }, change: {}, writer: 'p/1' }, signal);
    expect(outcome).to.have.property('type', 'refused');
    expect(outcome).to.have.property('current').that.includes({ leaseCounter: 8, leaseOwner: 'other' });
    expect(sent.map((call) => call.operation)).to.deep.equal(['UpdateItem']);
    expect(sent[0]?.input).to.include({ ReturnValuesOnConditionCheckFailure: 'ALL_OLD' });
  });

  it('reads the row once, consistently, if a failed condition returns no item', async () => {
    const { table, sent } = scripted(({ operation }) =>
      operation === 'UpdateItem' ? fail(thrown('ConditionalCheckFailedException')) : { Item: row },
    );
    const outcome = await table.update('s', { expected: { counter: 7 }, change: {}, writer: 'p/1' }, signal);
    expect(outcome).to.have.property('current').that.includes({ leaseCounter: 8 });
    expect(sent.map((call) => call.operation)).to.deep.equal(['UpdateItem', 'GetItem']);
    expect(sent[1]?.input).to.include({ ConsistentRead: true });
  });

  it('fails with MALFORMED_LEASE if the row that refused the write is malformed', async () => {
    const { table } = scripted(() =>
      fail(thrown('ConditionalCheckFailedException', { Item: { ...row, checkpoint: { N: '1' } } })),
    );
    const error = await rejection(table.update('s', { expected: { counter: 7 }, change: {}, writer: 'p/1' }, signal));
    expect(error).to.include({ code: 'MALFORMED_LEASE' }).and.have.nested.property('data.leaseOwner', row.leaseOwner.S);
    expect(error.message).to.include('checkpoint is not of type S but N').and.include("'orders'");
  });

  it('fails with MALFORMED_LEASE if the row of a key holds another entity', async () => {
    const { table } = scripted(() => ({ Item: { leaseKey: { S: 's' }, entityType: { S: 'STREAM' } } }));
    expect(await rejection(table.get('s', signal))).to.include({ code: 'MALFORMED_LEASE' });
  });

  it('reports a throttled write as retryable, with a known outcome, after one attempt', async () => {
    const { table, sent } = scripted(() => fail(thrown('ProvisionedThroughputExceededException')));
    const error = await rejection(table.update('s', { expected: { counter: 7 }, change: {}, writer: 'p/1' }, signal));
    expect(error).to.include({ code: 'AWS_ERROR', retryable: true }).and.have.nested.property('data.leaseKey', 's');
    expect(error).to.not.have.nested.property('data.outcomeUnknown');
    expect(sent.length).to.equal(1);
  });

  for (const [call, operation] of [
    ['scan', 'Scan'],
    ['get', 'GetItem'],
    ['create', 'PutItem'],
    ['update', 'UpdateItem'],
    ['updateMeta', 'UpdateItem'],
    ['delete', 'DeleteItem'],
    ['ensureTable', 'DescribeTable'],
  ] as const) {
    it(`names the permission that ${call} lacks`, async () => {
      const { table } = scripted(() => fail(thrown('AccessDeniedException')));
      const calls: Record<typeof call, () => Promise<unknown>> = {
        scan: () => table.scan(signal),
        get: () => table.get('s', signal),
        create: () =>
          table.create(
            {
              leaseKey: 's',
              leaseCounter: 0,
              ownerSwitchesSinceCheckpoint: 0,
              checkpoint: 'LATEST',
              checkpointSubSequenceNumber: 0,
              parentShardIds: [],
              childShardIds: [],
            },
            signal,
          ),
        update: () => table.update('s', { expected: { counter: 7 }, change: {}, writer: 'p/1' }, signal),
        updateMeta: () => table.updateMeta('s', { childShardIds: ['a'] }, signal),
        delete: () => table.delete('s', 7, signal),
        ensureTable: () => table.ensureTable(signal),
      };
      const error = await rejection(calls[call]());
      expect(error).to.include({ code: 'ACCESS_DENIED', retryable: false });
      expect(error.message).to.include(`grant dynamodb:${operation}`).and.include("'orders'");
    });
  }

  it('names the missing permission if it may not read the KCL 3 side table', async () => {
    const { table } = scripted(({ operation }) =>
      operation === 'DescribeTable' ? lease('ACTIVE') : fail(thrown('AccessDeniedException')),
    );
    const error = await rejection(table.ensureTable(signal));
    expect(error).to.include({ code: 'ACCESS_DENIED' });
    expect(error.message).to.include('dynamodb:GetItem').and.include('orders-CoordinatorState');
  });

  it('uses consistent reads for single rows, and never for scans', async () => {
    const { table, sent } = scripted(({ operation }) => (operation === 'Scan' ? { Items: [] } : {}));
    await table.scan(signal);
    await table.get('s', signal);
    expect(sent[0]?.input).to.not.have.property('ConsistentRead');
    expect(sent[1]?.input).to.include({ ConsistentRead: true });
  });

  it('creates a table with one key, and without index, protection and tags', async () => {
    let exists = false;
    const { table, sent } = scripted(({ operation }) => {
      if (operation === 'CreateTable') exists = true;
      if (operation !== 'DescribeTable') return {};
      return exists ? lease('ACTIVE') : fail(thrown('ResourceNotFoundException'));
    });
    expect(await table.ensureTable(signal)).to.deep.equal({ created: true });
    expect(sent.find(({ operation }) => operation === 'CreateTable')?.input).to.deep.equal({
      TableName: 'orders',
      AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    expect(sent.map(({ operation }) => operation)).to.not.include('UpdateTable');
  });

  it('uses a table that is UPDATING, because such a table serves reads and writes', async () => {
    const { table, sent } = scripted(({ operation }) => (operation === 'DescribeTable' ? lease('UPDATING') : {}));
    expect(await table.ensureTable(signal)).to.deep.equal({ created: false });
    expect(new Set(sent.map(({ operation }) => operation))).to.deep.equal(new Set(['DescribeTable', 'GetItem']));
  });

  it('refuses a table that is ARCHIVED instead of waiting forever', async () => {
    const { table } = scripted(() => lease('ARCHIVED'));
    expect((await rejection(table.ensureTable(signal))).message).to.include('is ARCHIVED');
  });

  it('sends nothing after its signal has aborted', async () => {
    const abort = new AbortController();
    abort.abort();
    const { table, sent } = scripted(() => ({}));
    expect(
      await rejection(table.update('s', { expected: { counter: 7 }, change: {}, writer: 'p/1' }, abort.signal)),
    ).to.include({ code: 'STOPPED' });
    expect(sent).to.deep.equal([]);
  });
});
