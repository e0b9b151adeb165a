// Compares the DynamoDB in memory, which the simulation relies on, with dynalite: both give equal answers to the calls of kinact's
// adapter.
import {
  type AttributeValue,
  type DynamoDBClient,
  type ScanCommandOutput,
  DynamoDBClient as Client,
  DeleteTableCommand,
  GetItemCommand,
  ScanCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import fc from 'fast-check';
import { openLeaseTable } from '../../src/aws/dynamodb/lease-table.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { LeaseStore } from '../../src/api/ports.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { createMemoryDynamoDb, DynamoDbRefusal, type MemoryDynamoDb } from '../sim/dynamodb/memory-dynamodb.js';
import { errorOf } from '../sim/sdk-answers.js';
import { call, keys, perform, type Call } from '../support/lease-calls.js';

const signal = new AbortController().signal;
const tableName = 'alike';
const timers = {
  after: (ms: number, callback: () => void) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
const row: LeaseRow = {
  leaseKey: keys[0] ?? '',
  leaseCounter: 0,
  leaseOwner: 'a',
  ownerSwitchesSinceCheckpoint: 1,
  checkpoint: 'LATEST',
  checkpointSubSequenceNumber: 0,
  parentShardIds: [],
  childShardIds: [],
};
const clock = { now: () => performance.now(), wallNow: () => Date.now() };

interface Command {
  readonly input: object;
}

const operationOf = (command: Command): string => command.constructor.name.replace(/Command$/, '');

function memory(options: { readonly returnsOld: boolean }): {
  db: MemoryDynamoDb;
  send(command: Command): Promise<object>;
} {
  const db = createMemoryDynamoDb({ now: () => clock.now(), pageItems: 1_000, changeMs: 0, ...options });
  const send = async (command: Command): Promise<object> => {
    try {
      return db.handle(operationOf(command), command.input as Record<string, unknown>, () => 0);
    } catch (error) {
      if (!(error instanceof DynamoDbRefusal)) throw error;
      throw errorOf('dynamodb', error.name, error.message, error.item);
    }
  };
  return { db, send };
}

/** The parts of an answer that matter to a caller: the attributes, or the name of the error and its item. */
async function outcomeOf(answer: Promise<object>): Promise<unknown> {
  try {
    const { Item, Attributes } = (await answer) as { readonly Item?: object; readonly Attributes?: object };
    return sets({ Item, Attributes });
  } catch (error) {
    // The adapter wraps the service's error, so that the SDK does not try again.
    const { failure = error } = error as { readonly failure?: unknown };
    const { name, Item } = failure as Error & { readonly Item?: object };
    return sets({ error: name, Item });
  }
}

/** Reads all rows in pages of one, and sorts them, because each service scans in its own order. */
async function scanned(client: { send(command: Command): Promise<object> }): Promise<unknown> {
  const rows: { readonly leaseKey?: { readonly S?: string } }[] = [];
  let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
  do {
    const command = new ScanCommand({
      TableName: tableName,
      Limit: 1,
      ...(ExclusiveStartKey && { ExclusiveStartKey }),
    });
    const page = (await client.send(command)) as ScanCommandOutput;
    expect(page.Items?.length).to.be.at.most(1);
    rows.push(...((page.Items ?? []) as typeof rows));
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
  return sets(rows.toSorted((a, b) => ((a.leaseKey?.S ?? '') < (b.leaseKey?.S ?? '') ? -1 : 1)));
}

/** Each write done and refused, because a few draws may miss one. */
const oneOfEach: Call[] = [
  { type: 'create', row },
  { type: 'create', row },
  ...[1, 0].map((ahead): Call => ({
    type: 'update',
    key: row.leaseKey,
    ahead,
    change: { leaseOwner: 'b' },
    writer: 'p/1',
  })),
  ...[1, 0].map((ahead): Call => ({ type: 'delete', key: row.leaseKey, ahead })),
];

/** Sorts sets of strings, because they have no order. */
function sets(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (name, each: unknown) => (name === 'SS' && Array.isArray(each) ? each.toSorted() : each)),
  );
}

describe('the DynamoDB of the simulation', () => {
  let servers: LocalServers;
  let dynalite: DynamoDBClient;
  const opened: LeaseStore[] = [];

  /** A lease table of ours over this client. */
  const over = (client: { send(command: never): Promise<unknown> }): LeaseStore => {
    const store = openLeaseTable({ tableName, clock, timers, client, tablePollMs: 5 });
    opened.push(store);
    return store;
  };

  before(async () => {
    servers = await startLocalServers();
    dynalite = new Client({ ...servers.clientConfig.dynamodb, endpoint: servers.dynamodb });
  });
  after(async () => {
    for (const store of opened) store.close();
    dynalite.destroy();
    await servers.stop();
  });

  it('answers conditional writes and reads as dynalite does, and keeps the same rows, scanned in pages', async () => {
    const inMemory = memory({ returnsOld: false });
    const seen = new Set<string>();
    /** Sends a command to both, compares the outcomes, and returns dynalite's answer. */
    const both = async (command: Command): Promise<unknown> => {
      const answer = dynalite.send(command as never) as Promise<object>;
      const theirs = await outcomeOf(answer);
      expect(await outcomeOf(inMemory.send(command)), JSON.stringify(command.input)).to.deep.equal(theirs);
      seen.add(`${operationOf(command)} ${(theirs as { readonly error?: string }).error ?? 'done'}`);
      return answer;
    };
    const [real, copy] = [over(dynalite as never), over(inMemory as never)];
    await Promise.all([real.ensureTable(signal), copy.ensureTable(signal)]);
    const table = over({ send: both as never });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 6, maxLength: 14 }), async (calls) => {
        for (const leaseKey of keys) {
          const left = await table.get(leaseKey, signal);
          if (left !== undefined) await table.delete(leaseKey, left.leaseCounter, signal);
        }
        for (const each of calls) await perform(table, each);
        expect(await scanned(inMemory)).to.deep.equal(await scanned(dynalite as never));
      }),
      { numRuns: 15, examples: [[oneOfEach]] },
    );
    for (const operation of ['PutItem', 'UpdateItem', 'DeleteItem'])
      expect([...seen]).to.include.members([`${operation} done`, `${operation} ConditionalCheckFailedException`]);
  });

  it('returns the item with a failed condition if the request asks for it, unlike dynalite', async () => {
    const { db, send } = memory({ returnsOld: true });
    const store = over({ send: send as never });
    await store.ensureTable(signal);
    const put = { leaseKey: { S: 'a' }, leaseCounter: { N: '4' } };
    db.handle('PutItem', { TableName: tableName, Item: put }, () => 0);
    const update = {
      TableName: tableName,
      Key: { leaseKey: { S: 'a' } },
      UpdateExpression: 'SET leaseCounter = :next',
      ConditionExpression: 'leaseCounter = :seen',
      ExpressionAttributeValues: { ':seen': { N: '3' }, ':next': { N: '5' } },
    };
    const failed = { error: 'ConditionalCheckFailedException' };
    expect(await outcomeOf(send(new UpdateItemCommand(update)))).to.deep.equal(failed);
    const asked = new UpdateItemCommand({ ...update, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' });
    expect(await outcomeOf(send(asked))).to.deep.equal({ ...failed, Item: put });
  });

  it('refuses calls to a missing table as dynalite does, and calls to a deleted table', async () => {
    const { send } = memory({ returnsOld: true });
    const missing = 'nowhere';
    const commands = [
      new GetItemCommand({ TableName: missing, Key: { leaseKey: { S: 'a' } } }),
      new ScanCommand({ TableName: missing }),
      new DeleteTableCommand({ TableName: missing }),
    ];
    for (const command of commands)
      expect(await outcomeOf(send(command)), operationOf(command)).to.deep.equal(
        await outcomeOf(dynalite.send(command as never) as Promise<object>),
      );
    const store = over({ send: send as never });
    await store.ensureTable(signal);
    expect((await store.scan(signal)).rows).to.deep.equal([]);
    await send(new DeleteTableCommand({ TableName: tableName }));
    const gone = await outcomeOf(send(new ScanCommand({ TableName: tableName })));
    expect(gone).to.deep.equal({ error: 'ResourceNotFoundException' });
  });
});
