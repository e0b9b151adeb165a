// Parked messages of a pipe, from a real folder back to the node on which they failed: listed, shown, replayed by a module, recorded.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { run } from '../../../src/cli/command-line.js';
import { park } from '../../../src/options/park-policy.js';
import { fileSink } from '../../../src/parking/file-sink.js';
import type { Pipe } from '../../../src/api/pipe.js';
import { json } from '../../../src/pipes/json.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { batchSink } from '../../../src/pipes/batch-sink.js';
import { drivePipe } from '../../../src/testing/drive-pipe.js';
import { cliHarness } from '../../support/cli-harness.js';
import { never, temporaryFolder } from '../../support/parked.js';

interface Order {
  readonly tenant: string;
  readonly cents: number;
}

/** What the nodes of a module have been called with. */
interface Calls {
  readonly parsed: string[];
  readonly written: unknown[];
  /** Whether the store takes everything. */
  readonly isWell: boolean;
}

describe('kinact parked, for messages of a pipe', function () {
  this.timeout(60_000);
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  const parkedAt = (): string => join(folder.path, 'parked');
  const kinact = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const code = await run(['parked', ...args], { stdin, stdout, stderr, env: {}, signal: never }, () => undefined);
    return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') };
  };
  let modules = 0;
  /** Writes a module that exports this pipe, as the test has it. */
  const moduleOf = (exported: object): string => {
    modules += 1;
    const name = `kinact.test.${modules}`;
    (globalThis as Record<string, unknown>)[name] = exported;
    const path = join(folder.path, `module-${modules}.mjs`);
    const members = Object.keys(exported).map((member) => `export const ${member} = it.${member};\n`);
    writeFileSync(path, `const it = globalThis[${JSON.stringify(name)}];\n${members.join('')}`);
    return path;
  };
  const replay = (file: string, ...more: string[]) =>
    kinact('replay', '--path', parkedAt(), '--module', file, '--yes', ...more);
  const listed = async (): Promise<Record<string, unknown>[]> =>
    (await kinact('list', '--path', parkedAt(), '--json')).stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  const batches = ({ parsed, written, isWell }: Calls): Pipe =>
    pipe({ format: json })
      .map((bytes) => (parsed.push(bytes.toString()), JSON.parse(bytes.toString()) as Order))
      .demux(({ tenant }) => tenant)
      .aggregate({ count: 2, intervalMs: 60_000 }, (orders, { route }) => ({ route, orders }))
      .to({
        name: 'store',
        handleMessage: (_, message) => {
          const { item, route } = message;
          written.push({ value: message.value, route, key: item?.token.idempotencyKey, replayed: item?.replayed });
          if (!isWell) throw new Error('the store refuses');
          return { drop: [message] };
        },
      });
  const calls = (isWell: boolean): Calls => ({ parsed: [], written: [], isWell });
  const order = (tenant: string, cents: number): { key: string; value: Buffer } => {
    return { key: tenant, value: Buffer.from(JSON.stringify({ tenant, cents })) };
  };
  const parkBatches = async (): Promise<void> => {
    const driver = drivePipe(batches(calls(false)), { onFailure: park(fileSink({ path: parkedAt() })) });
    await driver.items([order('a', 1), order('b', 2), order('a', 3), order('b', 4)]);
    expect(driver.open).to.deep.equal([]);
  };

  it('shows where each failed, its route and what it stands for', async () => {
    await parkBatches();
    const entries = await listed();
    expect(entries.map(({ message }) => message)).to.deep.equal(
      ['a', 'b'].map((route, at) => ({
        ...{ node: 'store', index: 3, nodes: ['map', 'demux', 'aggregate', 'store'], route: [route] },
        standsFor: [{ source: 'driven', shardId: 'shard', fence: 1, first: `${at + 1}`, last: `${at + 3}`, items: 2 }],
        valueBytes: [74],
      })),
    );
    expect((await kinact('list', '--path', parkedAt())).stdout).to.match(
      /driven\/shard\/1 {2}- {2}at store\/a {2}1 attempt/,
    );
    const shown = await kinact('show', '--path', parkedAt(), '--id', String(entries[0]?.['idempotencyKey']));
    expect(shown.stdout).to.include('node: store (4 of 4: map, demux, aggregate, store)\n');
    expect(shown.stdout).to.include('route: "a"\n');
    expect(shown.stdout).to.include('stands for: 2 items of driven/shard, 1 to 3, fence 1\n');
    expect(shown.stdout).to.include('data (74 bytes, text): {"route":"a","orders":[{"tenant":"a","cents":1}');
  });

  it('brings each back to its node, on its route, once, and not through the nodes before', async () => {
    await parkBatches();
    const made = calls(true);
    const ended = await replay(moduleOf({ pipe: batches(made) }));
    expect([ended.code, ended.stderr]).to.deep.equal([0, '']);
    expect(ended.stdout).to.match(/^replay: 2 items went into module/);
    expect(made.parsed).to.deep.equal([]);
    const orders = (tenant: string, ...cents: number[]): object[] => cents.map((each) => ({ tenant, cents: each }));
    expect(made.written).to.deep.equal([
      { value: { route: 'a', orders: orders('a', 1, 3) }, route: 'a', key: undefined, replayed: undefined },
      { value: { route: 'b', orders: orders('b', 2, 4) }, route: 'b', key: undefined, replayed: undefined },
    ]);
    expect((await listed()).every(({ replayedAt }) => typeof replayedAt === 'string')).to.equal(true);
    expect((await replay(moduleOf({ pipe: batches(made) }))).stdout).to.match(/^replay: 0 items/);
    expect(made.written).to.have.length(2);
  });

  it('leaves open what fails again, and says why', async () => {
    await parkBatches();
    const ended = await replay(moduleOf({ pipe: batches(calls(false)) }));
    expect(ended.code).to.equal(1);
    expect(ended.stderr.match(/is not replayed: the store refuses/g)).to.have.length(2);
    expect((await listed()).every(({ replayedAt }) => replayedAt === null)).to.equal(true);
  });

  it('flushes the values of a batch that come back, and gives an item its own key', async () => {
    const write: unknown[][] = [];
    const made = (isWell: boolean): Pipe =>
      pipe<string>({ format: json })
        .map((text) => [text])
        .to(
          batchSink({ size: 3, intervalMs: 600_000, name: 'rows' }, (rows) => {
            write.push([...rows]);
            if (!isWell) throw new Error('no');
          }),
        );
    const onFailure = park(fileSink({ path: parkedAt() }));
    const driver = drivePipe(made(false), { onFailure });
    await driver.items(['a', 'b', 'c', 'd'].map((value) => ({ key: 'k', value })));
    await driver.flush();
    expect(driver.open).to.deep.equal([]);
    write.length = 0;
    expect((await replay(moduleOf({ pipe: made(true) }))).code).to.equal(0);
    expect(write).to.deep.equal([[['a'], ['b'], ['c']], [['d']]]);
  });

  it('gives a message of one item that item again, as replayed', async () => {
    const seen: unknown[] = [];
    const made = (isWell: boolean): Pipe =>
      pipe<Buffer>({ format: json })
        .map((bytes) => bytes.toString())
        .to((value, { item }) => {
          seen.push([value, item?.key, item?.token.idempotencyKey, item?.replayed, item?.fence, item?.value]);
          if (!isWell) throw new Error('no');
        });
    const driver = drivePipe(made(false), { onFailure: park(fileSink({ path: parkedAt() })) });
    await driver.items([{ key: 'k', value: Buffer.from('a'), sequenceNumber: '77' }]);
    const [first] = seen as [unknown[]];
    seen.length = 0;
    expect((await replay(moduleOf({ pipe: made(true) }))).code).to.equal(0);
    expect(seen).to.deep.equal([['a', 'k', first[2], true, 0, 'a']]);
  });

  it('makes the item of a record as it came again, for the node on which it failed', async () => {
    const seen: unknown[] = [];
    const made = (isWell: boolean): Pipe =>
      pipe<Buffer>({ format: json })
        .filter(() => seen.push('filter') > 0)
        .demux(() => 'r', { name: 'byTenant' })
        .to((value, { route }) => {
          seen.push([String(value), route]);
          if (!isWell) throw new Error('no');
        });
    const driver = drivePipe(made(false), { onFailure: park(fileSink({ path: parkedAt() })) });
    await driver.items([{ key: 'k', value: Buffer.from('a') }]);
    expect((await listed())[0]).to.not.have.nested.property('message.valueBytes');
    seen.length = 0;
    expect((await replay(moduleOf({ pipe: made(true) }))).code).to.equal(0);
    expect(seen).to.deep.equal([['a', 'r']]);
  });

  describe('refuses a replay', () => {
    const refusal = async (exported: object): Promise<string> => {
      const ended = await replay(moduleOf(exported), '--limit', '1');
      expect(ended.code).to.equal(1);
      expect((await listed()).every(({ replayedAt }) => replayedAt === null)).to.equal(true);
      const planned = await kinact('replay', '--path', parkedAt(), '--module', moduleOf(exported), '--limit', '1');
      expect(planned.stdout, 'the plan says it, too').to.include('refused: 1 item').and.not.include('would go');
      expect(planned.stderr).to.equal(firstLine(ended.stderr).replace('is not replayed', 'would not be replayed'));
      return ended.stderr;
    };
    const firstLine = (text: string): string => `${text.split('\n')[0]}\n`;

    it('by a reducer, and by a pipe without a format', async () => {
      await parkBatches();
      const reducer = { init: () => 0, reduce: () => 0 };
      expect(await refusal({ reducer })).to.include('it is a message of a pipe: the module must export the pipe');
      const { nodes } = batches(calls(true));
      expect(await refusal({ pipe: { nodes } })).to.include('write pipe({ format: json })');
    });

    it('into a stream: nothing is put', async () => {
      await parkBatches();
      const operations: string[] = [];
      const cli = await cliHarness((operation) => {
        operations.push(operation);
        const summary = { StreamName: 's', StreamARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/s' };
        return { status: 200, body: { StreamDescriptionSummary: { ...summary, StreamStatus: 'ACTIVE' } } };
      });
      try {
        const plan = await cli.kinact(['parked', 'replay', '--path', parkedAt(), '--into-stream', 's']);
        expect(plan.code).to.equal(0);
        expect(plan.stdout).to.equal('replay: nothing to do\nrefused: 2 items, for the reasons above\n');
        const ended = await cli.kinact(['parked', 'replay', '--path', parkedAt(), '--into-stream', 's', '--yes']);
        expect(ended.code).to.equal(1);
        expect(ended.stderr.match(/it is a message of a pipe, and no record/g)).to.have.length(2);
        expect([...new Set(operations)]).to.deep.equal(['DescribeStreamSummary']);
      } finally {
        await cli.close();
      }
    });

    it('if its node is gone, or its name stands twice in another pipe', async () => {
      await parkBatches();
      const bare = pipe<unknown>({ format: json });
      const gone = bare.map(String).to(() => undefined);
      expect(await refusal({ pipe: gone })).to.match(/the node 'store', which is not there: .* are map, sink/);
      const store = batches(calls(true)).nodes.at(-1)!;
      const twice = bare.node(store).node(store).end();
      expect(await refusal({ pipe: twice })).to.include('nobody knows which that is now');
    });

    it('but finds a node among others of its name, as long as all names stand as they stood', async () => {
      const seen: unknown[] = [];
      const made = (isWell: boolean): Pipe =>
        pipe<string>({ format: json })
          .map((text) => (seen.push(1), [text]))
          .map((list) => {
            seen.push(list);
            if (!isWell) throw new Error('no');
            return list;
          })
          .map((list) => seen.push(3, list))
          .end();
      const driver = drivePipe(made(false), { onFailure: park(fileSink({ path: parkedAt() })) });
      await driver.items([{ key: 'k', value: 'a' }]);
      seen.length = 0;
      const { nodes, format } = made(true);
      expect(await refusal({ pipe: { nodes: nodes.slice(1), format } })).to.include('nobody knows which that is now');
      expect((await replay(moduleOf({ pipe: { nodes, format } }))).code).to.equal(0);
      expect(seen).to.deep.equal([['a'], 3, ['a']]);
    });

    it('but finds a node that stands at another place now', async () => {
      await parkBatches();
      const made = calls(true);
      const { nodes, format } = batches(made);
      expect((await replay(moduleOf({ pipe: { nodes: nodes.slice(2), format } }))).code).to.equal(0);
      expect(made.written).to.have.length(2);
    });

    it('by a module whose pipe is none', async () => {
      await parkBatches();
      const ended = await kinact('replay', '--path', parkedAt(), '--module', moduleOf({ pipe: { nodes: [] } }));
      expect(ended.code).to.not.equal(0);
      expect(ended.stderr).to.include('module.pipe: expected a pipe made by pipe()');
    });
  });

  it('is a version that an older kinact refuses', async () => {
    await parkBatches();
    const [file = ''] = readdirSync(parkedAt());
    const lines = readFileSync(join(parkedAt(), file), 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { version: unknown }).version)).to.deep.equal([2, 2]);
  });
});
