// A lease table outside of its stream's region is not created while the stream's region has a table of its name. The clients are
// scripted: one for the place that is configured, one for the stream's region.
import { expect } from 'chai';
import type { DynamoDbClientLike } from '../../../../src/aws/dynamodb/dynamodb-client.js';
import { openLeaseTable, type LeaseTableOptions } from '../../../../src/aws/dynamodb/lease-table.js';
import { isKinactError } from '../../../../src/api/errors.js';

const signal = new AbortController().signal;
const clock = { now: () => 0, wallNow: () => 1_000 };
const timers = { after: (ms: number, callback: () => void) => (ms === 1 && queueMicrotask(callback), () => undefined) };

interface Region extends DynamoDbClientLike {
  readonly config: { readonly region: () => Promise<string>; readonly isCustomEndpoint?: boolean };
  readonly calls: string[];
  destroyed: boolean;
}

/** DynamoDB in one region, with these tables. */
function regionOf(
  name: string,
  tables: readonly string[] = [],
  more: { readonly isCustomEndpoint?: boolean } = {},
): Region {
  const existing = new Set(tables);
  const region: Region = {
    config: { region: async () => name, ...more },
    calls: [],
    destroyed: false,
    async send(command: { constructor: { name: string }; input: { TableName: string } }) {
      const operation = command.constructor.name.replace('Command', '');
      const { TableName } = command.input;
      region.calls.push(`${operation} ${TableName}`);
      if (operation === 'CreateTable') existing.add(TableName);
      else if (!existing.has(TableName))
        throw Object.assign(new Error('no such table'), {
          name: 'ResourceNotFoundException',
          $metadata: { httpStatusCode: 400 },
        });
      return {
        Table: {
          TableStatus: 'ACTIVE',
          KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
          AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
        },
      };
    },
    destroy: () => (region.destroyed = true),
  };
  return region;
}

function table(here: Region, home: Region, more: Partial<LeaseTableOptions> = {}): ReturnType<typeof openLeaseTable> {
  const homeRegion = { region: 'eu-west-1', open: () => home };
  return openLeaseTable({ tableName: 'orders', client: here, clock, timers, tablePollMs: 1, homeRegion, ...more });
}

const refusalOf = (opening: Promise<unknown>): Promise<unknown> => opening.catch((error: unknown) => error);

describe("a lease table outside of its stream's region", () => {
  it("is refused, by name and region, if it is absent and the stream's region has it", async () => {
    const here = regionOf('us-east-1');
    const home = regionOf('eu-west-1', ['orders']);
    const error = await refusalOf(table(here, home).ensureTable(signal));
    expect(isKinactError(error) && error.code).to.equal('INVALID_OPTION');
    expect(error)
      .to.have.property('message')
      .that.include("'orders'")
      .and.include('us-east-1')
      .and.include('eu-west-1');
    expect(here.calls, 'nothing was created').to.deep.equal(['DescribeTable orders']);
    expect(home.destroyed).to.equal(true);
  });

  it("is created if the stream's region has no such table either", async () => {
    const here = regionOf('us-east-1');
    const home = regionOf('eu-west-1', ['another']);
    expect(await table(here, home).ensureTable(signal)).to.deep.equal({ created: true });
    expect(home.calls).to.deep.equal(['DescribeTable orders']);
  });

  it("is used without a look at the stream's region if it exists", async () => {
    const home = regionOf('eu-west-1', ['orders']);
    expect(await table(regionOf('us-east-1', ['orders']), home).ensureTable(signal)).to.deep.equal({ created: false });
    expect(home.calls).to.deep.equal([]);
  });

  it("is created without another look if it is in the stream's region, or if its client has an endpoint of its own", async () => {
    const home = regionOf('eu-west-1', ['orders']);
    await table(regionOf('eu-west-1'), home).ensureTable(signal);
    await table(regionOf('local', [], { isCustomEndpoint: true }), home).ensureTable(signal);
    await table(regionOf('eu-west-1'), home, { homeRegion: { region: undefined, open: () => home } }).ensureTable(
      signal,
    );
    expect(home.calls).to.deep.equal([]);
  });

  it("is not created as long as the stream's region cannot be asked", async () => {
    const here = regionOf('us-east-1');
    const home = {
      ...regionOf('eu-west-1'),
      send: () =>
        Promise.reject(
          Object.assign(new Error('no'), { name: 'AccessDeniedException', $metadata: { httpStatusCode: 400 } }),
        ),
    };
    const error = await refusalOf(table(here, home).ensureTable(signal));
    expect(isKinactError(error) && error.code).to.equal('ACCESS_DENIED');
    expect(here.calls).to.deep.equal(['DescribeTable orders']);
  });
});
