// A DynamoDB in memory behind the SDK's commands, in virtual time. Whole consumers use it with the real code of the lease table, and
// tests read and write its rows in DynamoDB's form.
import type { ManualClock } from '../../src/testing/manual-clock.js';
import type { DynamoDbClientLike } from '../../src/api/options.js';
import { createMemoryDynamoDb, DynamoDbRefusal } from '../sim/dynamodb/memory-dynamodb.js';
import type { Item } from '../sim/dynamodb/expressions.js';
import { answered, errorOf } from '../sim/sdk-answers.js';

export interface VirtualTables {
  /** A client for the option `leases.client`. */
  readonly client: DynamoDbClientLike;
  /** Calls so far, by operation. */
  readonly calls: ReadonlyMap<string, number>;
  createTable(name: string, key: string): void;
  put(table: string, item: Item): void;
  items(table: string): ReadonlyMap<string, Item>;
}

export function virtualTables(clock: ManualClock): VirtualTables {
  const memory = createMemoryDynamoDb({ now: () => clock.now(), pageItems: 1_000, changeMs: 0, returnsOld: true });
  const calls = new Map<string, number>();
  const now = (): number => 0;
  const send = async (command: { readonly input: Record<string, unknown> }): Promise<object> => {
    const operation = command.constructor.name.replace(/Command$/, '');
    calls.set(operation, (calls.get(operation) ?? 0) + 1);
    try {
      return await answered(command, memory.handle(operation, command.input, now), clock.wallNow());
    } catch (error) {
      if (!(error instanceof DynamoDbRefusal)) throw error;
      throw errorOf('dynamodb', error.name, error.message, error.item);
    }
  };
  return {
    client: { send } as never,
    calls,
    createTable: (TableName, AttributeName) =>
      void memory.handle(
        'CreateTable',
        {
          TableName,
          AttributeDefinitions: [{ AttributeName, AttributeType: 'S' }],
          KeySchema: [{ AttributeName, KeyType: 'HASH' }],
        },
        now,
      ),
    put: (TableName, Item) => void memory.handle('PutItem', { TableName, Item }, now),
    items: (table) => memory.items(table),
  };
}
