// `kinact parked replay --module` runs the parked items, and only these, by a reducer in a file: with their own keys, as replayed, each
// recorded once a checkpoint has passed it. What fails stays open.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ParkedItem } from '../../src/api/parking.js';
import { fileSink } from '../../src/parking/file-sink.js';
import { environment, startKinact, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { never, parkedItem, temporaryFolder } from '../support/parked.js';

const env = environment({});

/** Prints an item. A Buffer is shown as its text. */
const print = `const print = (item) => console.log(JSON.stringify([
  item.key, String(item.value), item.token.idempotencyKey, item.source, item.shardId, item.sequenceNumber,
  item.subSequenceNumber, item.arrivedAt, item.attempt, item.fence, item.replayed, item.signal.aborted,
]));\n`;

describe('kinact parked replay --module', function () {
  this.timeout(120_000);
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  const parkedAt = (): string => join(folder.path, 'parked');
  const park = async (...items: readonly ParkedItem[]): Promise<void> => {
    const sink = fileSink({ path: parkedAt() });
    for (const item of items) await sink(item, { signal: never });
  };
  const module = (text: string, name = 'module.mjs'): string => {
    const path = join(folder.path, name);
    writeFileSync(path, text);
    return path;
  };
  const args = (file: string, ...more: readonly string[]): string[] => [
    'parked',
    'replay',
    '--path',
    parkedAt(),
    '--module',
    file,
    ...more,
  ];
  const replay = (file: string, ...more: readonly string[]): Promise<Ended> =>
    kinactInside(args(file, ...more), env, { printsByModule: true });
  const recorded = (): string[] =>
    readFileSync(join(parkedAt(), 'replayed.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { idempotencyKey: string }).idempotencyKey);
  const printed = ({ stdout }: Ended): unknown[][] =>
    stdout
      .split('\n')
      .filter((line) => line.startsWith('['))
      .map((line) => JSON.parse(line) as unknown[]);
  const key = (n: number): string => parkedItem(n).idempotencyKey;

  it('does nothing without --yes, and says what it would do', async () => {
    await park(parkedItem(1), parkedItem(2));
    const file = module(`${print}export default { init: () => 0, reduce: (n, item) => (print(item), n + 1) };`);
    const ended = await replay(file);
    expect({ code: ended.code, stderr: ended.stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(ended.stdout.split('\n')).to.deep.equal([
      `replay: 2 items would go into module ${file}`,
      'only these items run, in this process, with their own keys and idempotency keys, item.replayed true, and fence 0',
      'they come after the later items of their keys; each has one attempt',
      'nothing was done; --yes does it',
      '',
    ]);
    expect(existsSync(join(parkedAt(), 'replayed.jsonl'))).to.equal(false);
  });

  it('runs the item as it was parked, records it, and leaves it out the next time', async () => {
    await park(parkedItem(1, { key: 'own', subSequenceNumber: 7 }), parkedItem(2));
    const file = module(`${print}export default { init: () => 0, reduce: (n, item) => (print(item), n + 1) };`);
    const ended = await replay(file, '--yes', '--limit', '1');
    expect({ code: ended.code, stderr: ended.stderr }).to.deep.equal({ code: 0, stderr: '' });
    const shard = 'shardId-000000000000';
    const item = ['own', 'data of 1', key(1), 'orders', shard, '1', 7, 1_700_000_000_000, 1, 0, true, false];
    expect(printed(ended)).to.deep.equal([item]);
    expect(ended.stdout).to.include(`replay: 1 item went into module ${file}\n`);
    expect(recorded()).to.deep.equal([key(1)]);
    expect(printed(await replay(file, '--yes')).map(([, value]) => value)).to.deep.equal(['data of 2']);
    expect(printed(await replay(file, '--yes'))).to.deep.equal([]);
    expect(printed(await replay(file, '--yes', '--again', '--id', key(2)))).to.have.length(1);
  });

  it('runs only the parked item of a record, and all of a record that gave none', async () => {
    const none = { itemIndex: undefined, key: undefined, at: 'extract' as const };
    await park(
      parkedItem(1, { itemIndex: 1, key: 'b', data: Buffer.from('a,b,c') }),
      parkedItem(2, { ...none, idempotencyKey: 's/2/-/-', data: Buffer.from('d,e') }),
    );
    const file = module(`${print}
      export const reducer = { init: () => 0, reduce: (n, item) => (print(item), n + 1) };
      export function* extract(record, { source, shardId, opaque }) {
        for (const key of record.data.toString().split(',')) {
          if (key === 'c') throw new Error('an item after the parked one is made');
          yield { key, value: [record.partitionKey, record.sequenceNumber, source, shardId, opaque].join() };
        }
      }`);
    const ended = await replay(file, '--yes');
    expect({ code: ended.code, stderr: ended.stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(printed(ended).map((item) => item.slice(0, 3))).to.deep.equal([
      ['b', 'partition-1,1,orders,shardId-000000000000,', key(1)],
      ['d', 'partition-2,2,orders,shardId-000000000000,', 's/2/-/0'],
      ['e', 'partition-2,2,orders,shardId-000000000000,', 's/2/-/1'],
    ]);
  });

  it('says so of an item that the module makes nothing of, and records it: nothing ran', async () => {
    const none = { itemIndex: undefined, key: undefined, at: 'extract' as const };
    await park(...[1, 2, 3].map((n) => parkedItem(n, { ...none, idempotencyKey: `s/${n}/-/-` })));
    const file = module(`${print}
      export const reducer = { init: () => 0, reduce: (n, item) => (print(item), n + 1) };
      export const extract = ({ data }) => (String(data) === 'data of 3' ? [{ key: 'k', value: data }] : []);`);
    const one = await replay(file, '--yes', '--limit', '1');
    expect({ code: one.code, stdout: one.stdout, stderr: one.stderr }).to.deep.equal({
      code: 0,
      stdout: `replay: 0 items went into module ${file}\n1 item made nothing: its extract returned no items; it is recorded as replayed\n`,
      stderr: '',
    });
    expect(recorded()).to.deep.equal(['s/1/-/-']);
    const all = await replay(file, '--yes', '--again');
    expect(printed(all).map((item) => item[2])).to.deep.equal(['s/3/-/0']);
    expect(all.stdout).to.include(
      `replay: 1 item went into module ${file}\n2 items made nothing: their extract returned no items; they are recorded as replayed\n`,
    );
    expect(recorded()).to.deep.equal(['s/1/-/-', 's/1/-/-', 's/2/-/-', 's/3/-/-']);
    expect((await replay(file, '--yes')).stdout).to.equal(`replay: 0 items went into module ${file}\n`);
  });

  it('mends the bytes of an item by an extract of the module', async () => {
    await park(parkedItem(1));
    const file = module(`${print}
      export const reducer = { init: () => 0, reduce: (n, item) => (print(item), n + 1) };
      export const extract = ({ partitionKey, data }) => [{ key: partitionKey, value: String(data).replace('1', '4') }];`);
    expect(printed(await replay(file, '--yes'))[0]!.slice(0, 3)).to.deep.equal(['key-1', 'data of 4', key(1)]);
  });

  it('says what is wrong with an extract that is no function of kinact', async () => {
    await park(parkedItem(1), parkedItem(2, { itemIndex: undefined, key: undefined, idempotencyKey: 's/2/-/-' }));
    const reason = 'extract must return an iterable of { key, value }, got';
    const cases: Readonly<Record<string, string>> = {
      'extract = async ({ data }) => [{ key: "a", value: data }]': 'extract must be synchronous, it returned a promise',
      'extract = async () => { throw new Error("late"); }': 'extract must be synchronous, it returned a promise',
      'extract = async function* ({ data }) { yield { key: "a", value: data }; }': `${reason} an async iterable: it must be synchronous`,
      'extract = () => 5': `${reason} a number`,
      'extract = () => undefined': `${reason} undefined`,
      'extract = () => [null]': `${reason} one of null`,
      'extract = () => [Promise.reject(new Error("late")), Promise.reject(new Error("later"))]': `${reason} a promise item: it must be synchronous`,
      'key = async () => "a"': 'key must be synchronous, it returned a promise',
    };
    for (const [at, [text, message]] of Object.entries(cases).entries()) {
      const reducer = 'export const reducer = { init: () => 0, reduce: (n) => n };';
      const { code, stderr } = await replay(
        module(`${reducer} export const ${text};`, `wrong-${at}.mjs`),
        '--yes',
        '--id',
        text.startsWith('key') ? 's/2/-/-' : key(1),
      );
      expect({ text, code }).to.deep.equal({ text, code: 1 });
      expect(stderr.split('\n')[0]).to.equal(
        `${text.startsWith('key') ? 's/2/-/-' : key(1)} is not replayed: ${message}`,
      );
    }
  });

  it('gives a record that gave no key the key of the module', async () => {
    await park(parkedItem(1, { itemIndex: undefined, key: undefined, idempotencyKey: 's/1/-/-' }));
    const file = module(
      `${print}
      exports.reducer = { init: () => 0, reduce: (n, item) => (print(item), n + 1) };
      exports.key = ({ partitionKey }) => partitionKey.toUpperCase();`,
      'module.cjs',
    );
    expect(printed(await replay(file, '--yes'))[0]!.slice(0, 3)).to.deep.equal(['PARTITION-1', 'data of 1', 's/1/-/0']);
  });

  it('flushes after each item, also of one record, and without fences', async () => {
    await park(parkedItem(1), parkedItem(2, { itemIndex: undefined, key: undefined }));
    const file = module(`
      export const reducer = {
        init: () => [],
        reduce: (state, item) => [...state, item.key],
        flush: (state, ctx) => { console.log(JSON.stringify([state, ctx.fences.size, ctx.reducer])); return []; },
        batch: { size: 100, intervalMs: 60_000 },
      };
      export const extract = ({ data }) => ['a', 'b'].map((key) => ({ key, value: data }));`);
    const ended = await replay(file, '--yes');
    expect(ended.code).to.equal(0);
    expect(printed(ended)).to.deep.equal([
      [['key-1'], 0, 0],
      [['a'], 0, 0],
      [['b'], 0, 0],
    ]);
  });

  it('leaves what fails unreplayed, names it, goes on, and exits with 1', async () => {
    const reduce = `reduce: (n, { value }) => { if (String(value) === 'data of 2') throw new Error('no\\u001b', { cause: new Error('why') }); return n; }`;
    const kinds: Readonly<Record<string, string>> = {
      reduce: `export default { init: () => 0, ${reduce} };`,
      flush: `export default { init: () => '', reduce: (_, { value }) => String(value),
        flush: (last) => { if (last === 'data of 2') throw new Error('no\\u001b', { cause: new Error('why') }); } };`,
      extract: `export const reducer = { init: () => 0, reduce: (n) => n };
        export const extract = ({ data }) => { if (String(data) === 'data of 2') throw new Error('no\\u001b', { cause: new Error('why') }); return [{ key: 'k', value: data }]; };`,
      ack: `export default { init: () => 0, acknowledge: 'manual', reduce: (n, { value, token }, ctx) => {
        setImmediate(() => String(value) === 'data of 2' ? ctx.fail(token, new Error('no\\u001b', { cause: new Error('why') })) : ctx.ack(token));
        return n; } };`,
      raw: `export default { init: () => 0, behaviour: (n, message, ctx) => {
        if (message.type !== 'items') return n;
        for (const { value, token } of message.items) {
          if (String(value) === 'data of 2') throw new Error('no\\u001b', { cause: new Error('why') });
          ctx.ack(token);
        }
        return n; } };`,
    };
    await park(...[1, 2, 3].map((n) => parkedItem(n)));
    for (const [name, text] of Object.entries(kinds)) {
      const { code, stderr } = await replay(module(text, `${name}.mjs`), '--yes', '--again');
      expect({ name, code }).to.deep.equal({ name, code: 1 });
      expect(stderr.split('\n')).to.deep.equal([
        `${key(2)} is not replayed: no\\u001b: why`,
        `REFUSED: 1 of 3 could not be replayed; the others are recorded in ${join(parkedAt(), 'replayed.jsonl')}`,
        '',
      ]);
      expect(recorded().slice(-2)).to.deep.equal([key(1), key(3)]);
    }
  });

  it('speaks of other items that are recorded only if there are some', async () => {
    await park(parkedItem(1), parkedItem(2));
    const file = module('export default { init: () => 0, reduce: () => { throw new Error("no"); } };');
    const { code, stderr } = await replay(file, '--yes');
    expect(code).to.equal(1);
    expect(stderr).to.match(/\nREFUSED: 2 of 2 could not be replayed\n$/);
  });

  it('refuses an item that the module no longer makes', async () => {
    await park(parkedItem(1, { itemIndex: 3 }));
    const file = module('export default { init: () => 0, reduce: (n) => n };');
    expect((await replay(file, '--yes')).stderr).to.include(
      'the module makes 1 items of this record, and its item 3 is parked',
    );
  });

  it('asks a raw behaviour that waits for more items to acknowledge', async () => {
    await park(parkedItem(1), parkedItem(2));
    const file = module(`export default { init: () => [], behaviour: (open, message, ctx) => {
      if (message.type === 'items') return [...open, ...message.items];
      if (message.type !== 'flush') return open;
      for (const { token } of open) ctx.ack(token);
      return [];
    } };`);
    expect((await replay(file, '--yes')).code).to.equal(0);
    expect(recorded()).to.deep.equal([key(1), key(2)]);
  });

  it('lets the call that runs finish on SIGTERM, records it, and exits with 1', async () => {
    await park(...[1, 2, 3].map((n) => parkedItem(n)));
    const file = module(`export default { init: () => 0, reduce: async (n, item) => {
      console.log('begun');
      await new Promise((resolve) => process.once('SIGTERM', () => setTimeout(resolve, 300)));
      return n + 1;
    } };`);
    const running = startKinact(args(file, '--yes'), env);
    await running.until(({ stdout }) => stdout.includes('begun'));
    running.child.kill('SIGTERM');
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stderr }).to.deep.equal({
      code: 1,
      stderr: 'STOPPED: the replay is incomplete: 2 of 3 are left; run it again\n',
    });
    expect(stdout.match(/begun/g)).to.have.length(1);
    expect(recorded()).to.deep.equal([key(1)]);
  });

  it('ends with the error if the module cannot run', async () => {
    await park(parkedItem(1));
    const cases: readonly (readonly [string, RegExp])[] = [
      ['export default { init: () => { throw new Error("no state"); }, reduce: (n) => n };', /no state/],
      [
        'import "./absent.js";',
        /^REFUSED: --module: .*cannot be loaded: Cannot find module .*absent.js' imported from .*bad-1/,
      ],
      ['throw new Error("broken");', /^REFUSED: --module: .*cannot be loaded: broken\n/],
      ['export const other = 1;', /^INVALID_OPTION: module: expected a reducer or a pipe as default export/],
      [
        'export default { init: () => 0 };',
        /^INVALID_OPTION: reducer: expected exactly one of reduce, behaviour and process/,
      ],
      [
        'export const reducer = { init: () => 0, reduce: (n) => n }, key = 1;',
        /^INVALID_OPTION: module.key: expected a f/,
      ],
      [
        'export const reducer = { init: () => 0, reduce: (n) => n }, key = () => "", extract = () => [];',
        /^INVALID_OPTION: module.key: allowed only without extract/,
      ],
    ];
    for (const [at, [text, error]] of cases.entries()) {
      const { code, stderr } = await replay(module(text, `bad-${at}.mjs`), '--yes');
      expect({ text, code }).to.deep.equal({ text, code: 1 });
      expect(stderr).to.match(error);
    }
    const enumeration = module('enum A { b }\nexport default { init: () => 0, reduce: (n: number) => n };', 'bad.ts');
    const files: readonly (readonly [string, RegExp])[] = [
      [join(folder.path, 'nosuch.js'), /^REFUSED: --module: there is no file .*nosuch\.js\n$/],
      [folder.path, /^REFUSED: --module: .* is a folder, and not a file\n$/],
      [enumeration, /^REFUSED: --module: .*bad\.ts cannot be loaded: .*; compile it to JavaScript first\n$/s],
    ];
    for (const [path, error] of files) {
      const { code, stderr } = await replay(path);
      expect({ path, code }).to.deep.equal({ path, code: 1 });
      expect(stderr).to.match(error).and.not.include('parked-module-target');
    }
    expect((await kinactInside(args('x.js', '--into-stream', 'b'), env)).stderr).to.match(
      /^USAGE: expected --into-stream or --module/,
    );
    expect((await kinactInside(args('x.js').slice(0, 4), env)).stderr).to.match(
      /^USAGE: --into-stream or --module is missing/,
    );
  });
});
