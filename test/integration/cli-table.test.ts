// `kinact tail` and `kinact reset` on the changes of a table: the scripted server has the table, dynalite the leases.
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';

interface Line {
  readonly shardId: string;
  readonly eventName: string;
  readonly keys: { readonly id: string };
}

describe('the command line on a table', function () {
  this.timeout(120_000);
  let local: LocalServers;
  let server: ScriptedServer;
  before(async () => (local = await startLocalServers()));
  after(() => local.stop());
  beforeEach(async () => {
    server = await scriptedServer({ proxy: { upstream: local.dynamodb } });
    server.tables.createTable('orders');
  });
  afterEach(() => server.stop());

  const run = (...args: readonly string[]): Promise<Ended> =>
    kinactInside(args, environment({ dynamodb: server.url, streams: server.url }));
  const tail = (...args: readonly string[]): Promise<Ended> =>
    run('tail', '--table', 'orders', '--until-idle', '1500', ...args);
  const put = (...ids: readonly string[]): void => {
    for (const id of ids) server.tables.put('orders', { id: { S: id } });
  };
  const linesOf = ({ stdout }: Ended): readonly Line[] =>
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  const idsOf = (ended: Ended): readonly string[] => linesOf(ended).map(({ keys }) => keys.id);

  it('prints each change as plain values, over shards that roll over', async () => {
    const big = '12345678901234567890123456789012345678';
    const values = {
      n: { N: '1.50' },
      big: { N: big },
      set: { SS: ['b', 'a'] },
      bytes: { B: 'AQI=' },
      nothing: { NULL: true },
    };
    server.tables.put('orders', { id: { S: 'a' }, ...values, nested: { M: { list: { L: [{ BOOL: true }] } } } });
    const [parent] = server.tables.openShards('orders');
    const [child] = server.tables.rollShard('orders');
    server.tables.put('orders', { id: { S: 'a' } });
    server.tables.expire('orders', { id: { S: 'a' } });
    const [, number] = server.tables.sequenceNumbers('orders', child!);

    const ended = await tail();
    expect({ code: ended.code, stderr: ended.stderr }).to.deep.equal({ code: 0, stderr: '' });
    const [insert, modify, remove, ...more] = linesOf(ended);
    expect(more).to.deep.equal([]);
    const image = { id: 'a', n: 1.5, big, set: ['a', 'b'], bytes: 'AQI=', nothing: null, nested: { list: [true] } };
    expect(insert).to.deep.include({ shardId: parent, eventName: 'INSERT', keys: { id: 'a' }, newImage: image });
    expect(insert).not.to.have.property('oldImage');
    expect(modify).to.deep.include({ shardId: child, eventName: 'MODIFY', newImage: { id: 'a' }, oldImage: image });
    expect(remove).to.deep.include({
      ...{ shardId: child, sequenceNumber: number, eventName: 'REMOVE', oldImage: { id: 'a' } },
      principalId: 'dynamodb.amazonaws.com',
    });
  });

  it('waits for a child that is listed seconds after its parent has ended', async () => {
    put('a');
    const [child] = server.tables.rollShard('orders');
    put('b');
    const list = server.tables.listLate('orders', child!);
    const ending = tail();
    // As many listings as `tail` makes of a Kinesis stream do not have it.
    await server.called('streams:DescribeStream', 7);
    list();
    expect(idsOf(await ending)).to.deep.equal(['a', 'b']);
  });

  it('goes on after its checkpoints as a member of an application', async () => {
    put('a', 'b');
    const first = await tail('--application', 'table-app');
    expect(idsOf(first), first.stderr).to.have.members(['a', 'b']);
    server.tables.rollShard('orders');
    put('c', 'd');
    const second = await tail('--application', 'table-app');
    expect({ ids: idsOf(second).toSorted(), code: second.code }, second.stderr).to.deep.equal({
      ids: ['c', 'd'],
      code: 0,
    });
  });

  it('names the way out if the stream was disabled and enabled again, and `reset` goes it', async () => {
    put('a');
    await tail('--application', 'reset-app');
    server.tables.disableStream('orders');
    server.tables.enableStream('orders');
    put('b');
    const refused = await tail('--application', 'reset-app');
    expect({ code: refused.code, ids: idsOf(refused) }).to.deep.equal({ code: 1, ids: [] });
    expect(refused.stderr).to.include('STREAM_CHANGED').and.to.include('disabled and enabled again');
    const way = /kinact (reset --application reset-app --table orders --to TRIM_HORIZON)/.exec(refused.stderr)?.[1];

    const plan = await run(...way!.split(' '));
    expect(plan.stdout).to.match(/reset: 0 rows to rewrite, 1 to create, 1 to remove/);
    const done = await run(...way!.split(' '), '--yes');
    expect({ code: done.code, stderr: done.stderr }).to.deep.equal({ code: 0, stderr: '' });
    const again = await tail('--application', 'reset-app');
    expect({ code: again.code, ids: idsOf(again) }, again.stderr).to.deep.equal({ code: 0, ids: ['b'] });
  });

  it('resets to LATEST: shards that have ended stay ended, and only later changes are read', async () => {
    put('a');
    await tail('--application', 'latest-app');
    server.tables.rollShard('orders');
    put('b');
    server.tables.advance(60_000);
    const reset = await run('reset', '--application', 'latest-app', '--to', 'LATEST', '--yes');
    expect({ code: reset.code, stderr: reset.stderr }, reset.stdout).to.deep.equal({ code: 0, stderr: '' });
    expect(reset.stdout)
      .to.match(/shardId-\S+ +.*SHARD_END\n/)
      .and.to.match(/shardId-\S+ +.*LATEST/);
    server.tables.advance(60_000);
    put('c');
    const read = await tail('--application', 'latest-app');
    expect({ code: read.code, ids: idsOf(read) }, read.stderr).to.deep.equal({ code: 0, ids: ['c'] });
  });

  it('says how to enable a stream if a table has none', async () => {
    server.tables.createTable('silent', { view: 'none' });
    const { code, stderr } = await run('tail', '--table', 'silent', '--until-idle', '500');
    expect({ code, stderr }).to.deep.include({ code: 1 });
    expect(stderr).to.match(/^STREAM_NOT_FOUND: Table 'silent' has no stream. Enable one: aws dynamodb update-table/);
  });
});
