// `kinact parked list` and `show` show what a file sink has kept, and let no text from outside act on a terminal.
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fileSink } from '../../src/parking/file-sink.js';
import { openProgress } from '../../src/parking/replay-progress.js';
import { environment, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { never, parkedItem, temporaryFolder } from '../support/parked.js';

const env = environment({});

describe('kinact parked', function () {
  this.timeout(60_000);
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  const park = async (...items: readonly ReturnType<typeof parkedItem>[]): Promise<void> => {
    const sink = fileSink({ path: folder.path });
    for (const item of items) await sink(item, { signal: never });
  };
  const parked = (...args: readonly string[]): Promise<Ended> => kinactInside(['parked', ...args], env);

  it('lists each item once, in the order of parking, with what a person needs', async () => {
    const error = Object.assign(new TypeError('no\u001b[2Jorder'), { code: 'EBAD' });
    await park(
      parkedItem(1, { attempts: 1 }),
      parkedItem(2, { key: 'a\nb', error, subSequenceNumber: 4 }),
      parkedItem(1, { attempts: 5, parkedAt: 1_700_000_009_000 }),
    );
    const { code, stdout, stderr } = await parked('list', '--path', folder.path);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout.split('\n')).to.deep.equal([
      's/shardId-000000000000/2/-/0  2023-11-14T22:13:22.002Z  orders/shardId-000000000000/2.4  a\\nb  3 attempts  TypeError (EBAD): no\\u001b[2Jorder',
      's/shardId-000000000000/1/-/0  2023-11-14T22:13:29.000Z  orders/shardId-000000000000/1  key-1  5 attempts  Error: cannot save 1',
      '',
    ]);
  });

  it('lists an error with its causes, in one line', async () => {
    const error = new Error('outer', { cause: new Error('inside', { cause: new RangeError('innermost') }) });
    await park(parkedItem(1, { error }));
    const { stdout } = await parked('list', '--path', folder.path);
    expect(stdout).to.match(/ {2}Error: outer: inside: innermost\n$/);
  });

  it('says so if there are no items', async () => {
    const text = { code: 0, stdout: '', stderr: `0 items in ${folder.path}\n` };
    for (const more of [[], ['--json']]) {
      const { code, stdout, stderr } = await parked('list', '--path', folder.path, ...more);
      expect({ code, stdout, stderr }).to.deep.equal(text);
    }
  });

  it('lists as JSON lines, and says what was replayed', async () => {
    await park(parkedItem(1, { key: '\u202e' }), parkedItem(2));
    const progress = await openProgress(join(folder.path, 'replayed.jsonl'), () => Date.UTC(2026, 0, 31));
    await progress.note([parkedItem(2)], { stream: 'x' });
    await progress.close();
    const { code, stdout } = await parked('list', '--path', folder.path, '--json');
    expect(code).to.equal(0);
    expect(stdout).to.not.include('\u202e');
    const lines = stdout.trimEnd().split('\n');
    const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).to.include({ key: '\u202e', shardId: 'shardId-000000000000', dataBytes: 9, replayedAt: null });
    expect(first).to.include({ parkedAt: '2023-11-14T22:13:22.001Z', arrivedAt: '2023-11-14T22:13:20.000Z' });
    expect(first).to.not.have.property('data');
    expect(second).to.include({ replayedAt: '2026-01-31T00:00:00.000Z' });
    expect((await parked('list', '--path', folder.path)).stdout).to.include('  replayed 2026-01-31T00:00:00.000Z  ');
  });

  it('never mixes the items of two applications, whose keys are the same if they read one stream', async () => {
    await park(parkedItem(1), parkedItem(1, { application: 'billing', key: 'other' }));
    const refused = await parked('list', '--path', folder.path);
    expect([refused.code, refused.stdout]).to.deep.equal([1, '']);
    expect(refused.stderr).to.include(
      'has items of 2 applications (billing, orders-app): choose one with --application',
    );
    const progress = await openProgress(join(folder.path, 'replayed.jsonl'), () => Date.UTC(2026, 0, 31));
    await progress.note([parkedItem(1, { application: 'billing' })], { stream: 'x' });
    await progress.close();
    const list = (application: string): Promise<Ended> =>
      parked('list', '--path', folder.path, '--application', application);
    const [billing, orders] = [await list('billing'), await list('orders-app')];
    expect(billing.stdout).to.match(/^s\/shardId-000000000000\/1\/-\/0 .* other .*replayed/);
    expect(orders.stdout)
      .to.match(/^s\/shardId-000000000000\/1\/-\/0 .* key-1 /)
      .and.to.not.include('replayed');
    expect((await list('nobody')).stderr).to.include("has no items of the application 'nobody'");
  });

  it('lists what was parked at any place, also at one that only a newer version knows', async () => {
    await park(parkedItem(1, { at: 'process' }), parkedItem(2, { at: 'later' as never }));
    const { code, stdout, stderr } = await parked('list', '--path', folder.path);
    expect([code, stderr, stdout.trim().split('\n').length]).to.deep.equal([0, '', 2]);
  });

  it('shows all of one item: data as text if it is UTF-8, else as base64', async () => {
    const error = new Error('outer', { cause: new RangeError('inner') });
    await park(
      parkedItem(1, { data: Buffer.from('{"id":"ä"}\n\u001b'), error, explicitHashKey: '17' }),
      parkedItem(2, { data: Buffer.from([0xff, 0]), key: undefined, itemIndex: undefined }),
    );
    const text = await parked('show', '--path', folder.path, '--id', parkedItem(1).idempotencyKey);
    expect({ code: text.code, stderr: text.stderr }).to.deep.equal({ code: 0, stderr: '' });
    const lines = text.stdout.split('\n');
    expect(lines).to.include.members([
      'idempotencyKey: s/shardId-000000000000/1/-/0',
      'application: orders-app',
      'explicitHashKey: 17',
      'failedAt: 2023-11-14T22:13:21.001Z',
      'error: Error: outer',
      'caused by: RangeError: inner',
      'data (13 bytes, text): {"id":"ä"}\\n\\u001b',
    ]);
    expect(lines.some((line) => /^ {2}at .*cli-parked/.test(line))).to.equal(true);
    const bytes = await parked('show', '--path', folder.path, '--id', parkedItem(2).idempotencyKey);
    expect(bytes.stdout).to.include('data (2 bytes, base64): /wA=\n').and.not.include('\nkey:');
  });

  it('names what it cannot read, shows the rest, and exits with 1', async () => {
    await park(parkedItem(1));
    const name = readdirSync(folder.path)[0]!;
    appendFileSync(join(folder.path, name), 'garbled\u001b[1m\n');
    await park(parkedItem(2));
    const { code, stdout, stderr } = await parked('list', '--path', folder.path);
    expect(code).to.equal(1);
    expect(stdout.trimEnd().split('\n')).to.have.length(2);
    expect(stderr).to.equal(
      `${join(folder.path, name)}:2: left out: it is not JSON\nREFUSED: 1 entry could not be read, see above\n`,
    );
  });

  it('explains a wrong folder, a wrong id and wrong usage in one line', async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['list', '--path', join(folder.path, 'missing')], 1, /^REFUSED: .*missing is not a folder\n$/],
      [
        ['replay', '--path', join(folder.path, 'missing'), '--into-stream', 's'],
        1,
        /^REFUSED: .*missing is not a folder\n$/,
      ],
      [
        ['replay', '--path', join(folder.path, 'missing'), '--into-stream', 's', '--yes'],
        1,
        /^REFUSED: [^:]*missing is not a folder\n$/,
      ],
      ...[['list'], ['replay', '--into-stream', 's'], ['replay', '--into-stream', 's', '--yes']].map(
        (args) =>
          [
            [...args, '--stream', 'o', '--progress', join(folder.path, 'missing', 'f')],
            1,
            /^REFUSED: --progress [^:]*missing.f: [^:]*missing is not a folder\n$/,
          ] as const,
      ),
      [['show', '--path', folder.path, '--id', 'x\u001b'], 1, /^REFUSED: .* has no parked item 'x\\u001b'\n$/],
      [['show', '--path', folder.path], 2, /^USAGE: --id is missing; see kinact parked --help\n$/],
      [['list'], 2, /^USAGE: --path or --stream is missing/],
      [['lsit'], 2, /^USAGE: expected list.* got 'lsit'/],
      [[], 2, /^USAGE: expected list.* got nothing/],
    ];
    for (const [args, code, text] of cases) {
      const ended = await parked(...args);
      expect({ args, code: ended.code, stdout: ended.stdout }).to.deep.equal({ args, code, stdout: '' });
      expect(ended.stderr).to.match(text);
    }
  });
});
