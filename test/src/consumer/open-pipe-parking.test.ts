// `park` in a pipe without a consumer: an offset is settled when the sink keeps its message, and a replay brings it to its node. Two pipes
// may have the same offsets, and nothing of one takes the place of anything of the other.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { openPipe } from '../../../src/consumer/open-pipe.js';
import { isKinactError } from '../../../src/api/errors.js';
import { NonRetryableError } from '../../../src/api/failure-policy.js';
import type { ParkedItem, ParkingSink } from '../../../src/api/parking.js';
import type { Pipe } from '../../../src/api/pipe.js';
import { run } from '../../../src/cli/command-line.js';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { fileSink } from '../../../src/parking/file-sink.js';
import { json } from '../../../src/pipes/json.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { gate } from '../../support/gate.js';
import { endingText, openedPipe } from '../../support/opened-pipe.js';
import { never, temporaryFolder } from '../../support/parked.js';

interface Line {
  readonly n: number;
}

const refused = (): never => {
  throw new Error('the store refuses');
};

describe('park in an open pipe', () => {
  const refusing = pipe<Line>({ format: json }).to(refused);

  it('settles an offset when the sink keeps its message, and not before', async () => {
    const kept = gate();
    const items: ParkedItem[] = [];
    const sink: ParkingSink = (item) => (items.push(item), kept.opened);
    const { opened, feed, rest } = await openedPipe(refusing, { name: 'lines', firstOffset: 7, onFailure: park(sink) });
    const parked: unknown[] = [];
    opened.on('itemParked', ({ sequenceNumber, at, node }) => parked.push([sequenceNumber, at, node]));
    void feed({ n: 1 });
    await rest();
    expect(items.map(({ data }) => data.toString())).to.deep.equal(['{"n":1}']);
    expect([opened.settled, opened.status().open, parked]).to.deep.equal([6, 1, []]);
    kept.open();
    await rest();
    expect([opened.settled, opened.status().open, parked]).to.deep.equal([7, 0, [['7', 'node', 'sink/0']]]);
    const { source, shardId, sequenceNumber, key, message, application } = items[0]!;
    expect({ source, shardId, sequenceNumber, key, application }).to.deep.equal({
      ...{ source: 'lines', shardId: 'lines', sequenceNumber: '7', key: '', application: 'lines' },
    });
    expect(message).to.deep.include({ node: 'sink', itemKey: 'lines/7/-/0', valueBytes: [7] });
    expect(endingText(await opened.finish())).to.equal('upstreamFailure, nothing open');
  });

  it('calls a sink that fails again, and leaves the offset open until it keeps the message', async () => {
    let isDown = true;
    const failed: unknown[] = [];
    const { opened, feed, advance } = await openedPipe(refusing, {
      onFailure: retry({ attempts: 1, then: park(async () => (isDown ? refused() : undefined)) }),
    });
    opened.on('parkingFailed', ({ items, attempt }) => failed.push([items, attempt]));
    void feed({ n: 1 });
    for (const _ of [1, 2, 3]) await advance(30_000);
    expect(opened.settled).to.equal(-1);
    expect(failed.slice(0, 2)).to.deep.equal([
      [1, 1],
      [1, 2],
    ]);
    isDown = false;
    // An end does not wait out the pause.
    expect(endingText(await opened.finish())).to.equal('upstreamFailure, nothing open');
    expect(opened.settled).to.equal(0);
  });

  it('ends with what is open if the sink can never keep it, or a value cannot be written', async () => {
    const sinks = [() => Promise.reject(new NonRetryableError('too large')), () => Promise.resolve()];
    const values = [{ n: 1 }, { n: Buffer.from('a') as never }];
    const texts = [/too large/, /json/];
    for (const [at, sink] of sinks.entries()) {
      const { opened, feed } = await openedPipe(refusing, { onFailure: park(sink) });
      void feed(values[at]!);
      const { reason, open, error } = await opened.ended;
      expect([reason, open]).to.deep.equal(['crash', 1]);
      expect(error?.message).to.match(texts[at]!);
    }
  });

  it('is refused without a format, and a function that says it crashes', async () => {
    const { nodes } = refusing;
    const onFailure = park(() => Promise.resolve());
    for (const policy of [onFailure, retry({ then: onFailure })]) {
      const error: unknown = await openPipe({ nodes } as Pipe<Line>, { onFailure: policy }).catch(
        (each: unknown) => each,
      );
      expect(isKinactError(error) && error.message).to.match(/^onFailure(\.then)?: park needs to know how the values/);
    }
    const { opened, feed } = await openedPipe({ nodes } as Pipe<Line>, { onFailure: () => onFailure });
    void feed({ n: 1 });
    const { error } = await opened.ended;
    expect(error?.message).to.include('write pipe({ format: json })');
  });

  it('looks at its sinks before a node starts', async () => {
    const begun: string[] = [];
    const nodes = pipe<Line>({ format: json })
      .node({ init: () => void begun.push('init'), handleMessage: (_, message) => ({ drop: [message] }) })
      .end();
    const check: ParkingSink['check'] = async () => {
      throw new Error('no folder');
    };
    const sink: ParkingSink = Object.assign(() => Promise.resolve(), { check });
    const error: unknown = await openPipe(nodes, { onFailure: park(sink) }).catch((each: unknown) => each);
    expect(isKinactError(error) && `${error.code}: ${error.message}`).to.equal(
      'PARKING_FAILED: the sink of park is not ready: no folder',
    );
    expect(begun).to.deep.equal([]);
  });
});

describe('kinact parked replay, of what was fed to an open pipe', function () {
  this.timeout(60_000);
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  const parkedAt = (): string => join(folder.path, 'parked');
  const kinact = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const io = { stdin, stdout, stderr, env: {}, signal: never };
    const code = await run(['parked', ...args, '--path', parkedAt()], io, () => undefined);
    return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') };
  };
  const replay = async (exported: Pipe): Promise<{ code: number; stdout: string; stderr: string }> => {
    (globalThis as Record<string, unknown>)['kinact.test.fed'] = exported;
    const path = join(folder.path, 'module.mjs');
    writeFileSync(path, `export const pipe = globalThis['kinact.test.fed'];\n`);
    return kinact('replay', '--module', path, '--yes');
  };
  const feedAll = async (nodes: Pipe<Line>, values: readonly Line[]): Promise<void> => {
    const opened = await openPipe(nodes, { logger: false, onFailure: park(fileSink({ path: parkedAt() })) });
    await opened.feedAll(values);
    expect(endingText(await opened.finish())).to.equal('upstreamFailure, nothing open');
  };

  it('brings back each message, with its own key, although two pipes had the same offsets and values', async () => {
    const seen: unknown[] = [];
    const made = (isWell: boolean): Pipe<Line> =>
      pipe<Line>({ format: json }).to((value, { item }) => {
        seen.push([value, item?.token.idempotencyKey, item?.replayed]);
        if (!isWell) refused();
      });
    await feedAll(made(false), [{ n: 1 }, { n: 2 }]);
    await feedAll(made(false), [{ n: 1 }, { n: 3 }]);
    const before = seen.splice(0);
    const ended = await replay(made(true) as Pipe);
    expect([ended.code, ended.stderr]).to.deep.equal([0, '']);
    expect(seen).to.deep.equal(before.map((each) => [...(each as unknown[]).slice(0, 2), true]));
    expect(seen).to.have.length(4);
    expect((await replay(made(true) as Pipe)).stdout).to.match(/^replay: 0 items/);
  });

  it('brings back batches of equal values, each on its route, to its node', async () => {
    const seen: unknown[] = [];
    const made = (isWell: boolean): Pipe<Line> =>
      pipe<Line>({ format: json })
        .tap(({ n }) => void seen.push(n))
        .demux(({ n }) => `r${n}`)
        .aggregate({ count: 2 })
        .to((lines, { route }) => {
          if (!isWell) refused();
          seen.push([route, lines]);
        });
    for (const _ of [1, 2]) await feedAll(made(false), [{ n: 1 }, { n: 2 }, { n: 1 }, { n: 2 }]);
    seen.length = 0;
    const ended = await replay(made(true) as Pipe);
    expect([ended.code, ended.stderr]).to.deep.equal([0, '']);
    const batch = (n: number): unknown => [`r${n}`, [{ n }, { n }]];
    expect(seen).to.deep.equal([batch(1), batch(2), batch(1), batch(2)]);
  });
});
