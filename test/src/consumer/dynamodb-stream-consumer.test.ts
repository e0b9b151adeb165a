// A whole consumer over the changes of a table, in virtual time: what the reducer gets, what fails, and what a missing package does.
import { expect } from 'chai';
import { changeSource, type ChangeSourceOptions } from '../../../src/aws/dynamodb-streams/change-source.js';
import { loadStreamsSdk } from '../../../src/aws/dynamodb-streams/streams-sdk.js';
import { memoryLeases } from '../../../src/parking/memory-leases.js';
import {
  createConsumer,
  defineReducer,
  isKinactError,
  type Change,
  type ChangeRecord,
  type Consumer,
  type Item,
  type OnFailure,
  type SourceSpec,
} from '../../../src/index.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { inVirtualTime } from '../../support/virtual.js';
import { load, ModelStream, shardId, streamArn } from '../../support/change-streams.js';

interface Scene {
  readonly clock: ManualClock;
  readonly model: ModelStream;
  readonly items: Item<Change>[];
  readonly consumer: Consumer;
}

function scene(options: Partial<ChangeSourceOptions> = {}, onFailure: OnFailure = () => 'skip'): Scene {
  const clock = new ManualClock();
  const model = new ModelStream(clock);
  const items: Item<Change>[] = [];
  const source: SourceSpec<Change, ChangeRecord> = {
    name: streamArn,
    initialPosition: 'TRIM_HORIZON',
    open: (environment) => changeSource({ streamArn, client: model, load, ...options }, environment),
    openLeases: (_, { tableName }) => memoryLeases(tableName, () => clock.wallNow()),
  };
  const reducer = defineReducer({
    init: () => 0,
    reduce: (count, item: Item<Change>) => {
      items.push(item);
      return count + 1;
    },
  });
  const runtime = { clock, timers: clock, random: { next: () => 0.5 } };
  const consumer = createConsumer({
    application: 'totals',
    source,
    reducers: 1,
    reducer,
    onFailure,
    logger: false,
    runtime,
  });
  return { clock, model, items, consumer };
}

describe('a consumer of the changes of a table', () => {
  it('gives the reducer each change under the key of its item, over the end of a shard', async () => {
    const { clock, model, items, consumer } = scene();
    const child = 'shardId-00000001769875200000-1a1b1c1d';
    model.put('a', 'b');
    model.shard().closed = true;
    model.addShard(child, shardId);
    model.putAt(clock.wallNow(), 'a', child);
    await inVirtualTime(clock, consumer.start());
    await clock.advance(60_000);
    const key = (id: string): string => `{"id":{"S":"${id}"}}`;
    expect(items.map((item) => item.key)).to.deep.equal([key('a'), key('b'), key('a')]);
    expect(items.map((item) => item.value.keys)).to.deep.equal([{ id: 'a' }, { id: 'b' }, { id: 'a' }]);
    expect(items.map((item) => item.shardId)).to.deep.equal([shardId, shardId, child]);
    expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
  });

  it('asks onFailure about a number that does not fit, at extract, and goes on', async () => {
    const failures: unknown[] = [];
    const { clock, model, items, consumer } = scene({}, (error, { at }) => {
      failures.push([at, (error as Error).message]);
      return 'skip';
    });
    model.putAt(clock.wallNow(), 'a', shardId, { id: { S: 'a' }, n: { N: '9007199254740993' } });
    model.put('b');
    await inVirtualTime(clock, consumer.start());
    await clock.advance(10_000);
    expect(items.map(({ value }) => value.keys)).to.deep.equal([{ id: 'b' }]);
    expect(failures).to.deep.equal([
      [
        'extract',
        'newImage.n of the item {"id":{"S":"a"}}: ' +
          "The number 9007199254740993 is no JavaScript number without a loss. Set numbers: 'string' or 'bigint' in dynamodbStream.",
      ],
    ]);
    await inVirtualTime(clock, consumer.stop());
  });

  it('looks for the package before it looks for the table', async () => {
    const missing = (): ReturnType<typeof loadStreamsSdk> => loadStreamsSdk(() => Promise.reject(new Error('gone')));
    const asked: string[] = [];
    const tableClient = {
      send: (command: object) => (asked.push(command.constructor.name), Promise.reject(new Error('no table'))),
      config: {},
    };
    const { clock, consumer } = scene({
      load: missing,
      streamArn: undefined,
      tableName: 'orders',
      tableClient,
    } as never);
    consumer.closed.catch(() => undefined);
    const error = await inVirtualTime(
      clock,
      consumer.start().catch((thrown: unknown) => thrown),
    );
    expect({ code: isKinactError(error) && error.code, asked }).to.deep.equal({ code: 'PEER_MISSING', asked: [] });
  });

  it('does not start without the package of the SDK: the error comes at once, and has the command', async () => {
    const missing = (): ReturnType<typeof loadStreamsSdk> => loadStreamsSdk(() => Promise.reject(new Error('gone')));
    const { clock, consumer } = scene({ load: missing });
    consumer.closed.catch(() => undefined);
    const error = await inVirtualTime(
      clock,
      consumer.start().catch((thrown: unknown) => thrown),
    );
    expect(clock.now()).to.be.below(1_000);
    expect(isKinactError(error) && error.code).to.equal('PEER_MISSING');
    expect(String(error)).to.include('npm install @aws-sdk/client-dynamodb-streams');
  });
});
