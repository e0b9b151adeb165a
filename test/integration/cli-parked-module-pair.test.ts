// `kinact parked replay --module` of a module that exports a reducer and the pipe behind it: an item that failed in the reducer runs
// through both, and a value that failed in the pipe goes to its node. An entry is recorded when all that was emitted for it is done.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ParkedItem } from '../../src/api/parking.js';
import { fileSink } from '../../src/parking/file-sink.js';
import { environment, startKinact, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { never, parkedItem, temporaryFolder } from '../support/parked.js';

const env = environment({});
const kinactUrl = new URL('../../src/index.js', import.meta.url).href;

const head = `import { defineReducer, json, pipe as chain } from ${JSON.stringify(kinactUrl)};
const print = (...all) => console.log(JSON.stringify(all));\n`;

/** Prints what it reduces, and emits it in the way of this name. */
const reducers: Readonly<Record<string, string>> = {
  reduce: `{ init: () => 0, reduce: (n, { value, token }, ctx) => {
    print('reduced', String(value), token.idempotencyKey);
    ctx.emit(String(value));
    return n + 1;
  } }`,
  flush: `{ init: () => [], reduce: (all, { value, token }) => {
    print('reduced', String(value), token.idempotencyKey);
    return [...all, String(value)];
  }, flush: (all, ctx) => {
    print('fences', ctx.fences.size);
    all.forEach((each) => ctx.emit(each));
    return [];
  }, batch: { size: 100, intervalMs: 50_000 } }`,
  process: `{ process: async (items, ctx) => items.forEach(({ value, token }) => {
    print('reduced', String(value), token.idempotencyKey);
    ctx.emit(String(value));
  }), batch: { size: 100 } }`,
  manual: `{ init: () => 0, acknowledge: 'manual', reduce: (n, { value, token }, ctx) => {
    print('reduced', String(value), token.idempotencyKey);
    ctx.emit(String(value));
    setTimeout(() => ctx.ack(token), 50);
    return n;
  } }`,
  // It acknowledges at the next heartbeat.
  behaviour: `{ init: () => [], behaviour: (open, message, ctx) => {
    if (message.type === 'heartbeat') {
      open.forEach((token) => ctx.ack(token));
      return [];
    }
    if (message.type !== 'items') return open;
    for (const { value, token } of message.items) {
      print('reduced', String(value), token.idempotencyKey);
      ctx.emit(String(value));
    }
    return [...open, ...message.items.map(({ token }) => token)];
  } }`,
};

const pipes: Readonly<Record<string, string>> = {
  /** Waits for more than ever comes, and refuses a text with a 2. */
  batches: `chain({ format: json }).aggregate({ count: 9, intervalMs: 3_000_000 }).to((batch) => {
    print('written', batch);
    if (batch.some((text) => text.includes('2'))) throw new Error('the store refuses 2');
  })`,
  items: `chain({ format: json }).to((value, { item, lease, leases }) => {
    const { key, token, source, shardId, sequenceNumber, fence, replayed } = item;
    print('written', value, key, token.idempotencyKey, source, shardId, sequenceNumber, fence, replayed, String(item.value));
    print('lease', lease, leases.length);
  })`,
};

const moduleText = (reducer: string, pipe: string | undefined): string =>
  `${head}export const reducer = defineReducer(${reducers[reducer]});\n${
    pipe === undefined ? '' : `export const pipe = ${pipes[pipe]};\n`
  }`;

describe('kinact parked replay --module, of a reducer with a pipe behind it', function () {
  this.timeout(120_000);
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  const parkedAt = (): string => join(folder.path, 'parked');
  const park = async (...items: readonly ParkedItem[]): Promise<void> => {
    const sink = fileSink({ path: parkedAt() });
    for (const item of items) await sink(item, { signal: never });
  };
  let modules = 0;
  const args = (text: string): string[] => {
    // A process loads a path only once.
    const path = join(folder.path, `module-${(modules += 1)}.mjs`);
    writeFileSync(path, text);
    return ['parked', 'replay', '--path', parkedAt(), '--module', path, '--yes', '--again'];
  };
  const replay = (text: string): Promise<Ended> => kinactInside(args(text), env, { printsByModule: true });
  const recorded = (): string[] => {
    const path = join(parkedAt(), 'replayed.jsonl');
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8').split('\n');
    return lines
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { idempotencyKey: string }).idempotencyKey);
  };
  const printed = ({ stdout }: Pick<Ended, 'stdout'>, first: string): unknown[][] =>
    stdout
      .split('\n')
      .filter((line) => line.startsWith(`["${first}"`))
      .map((line) => (JSON.parse(line) as unknown[]).slice(1));
  const key = (n: number): string => parkedItem(n).idempotencyKey;

  for (const name of Object.keys(reducers))
    it(`runs an item through the reducer (${name}) and then the pipe, and records it when both are done`, async () => {
      await park(...[1, 2, 3].map((n) => parkedItem(n)));
      const ended = await replay(moduleText(name, 'batches'));
      expect(printed(ended, 'reduced')).to.deep.equal([1, 2, 3].map((n) => [`data of ${n}`, key(n)]));
      expect(printed(ended, 'written')).to.deep.equal([1, 2, 3].map((n) => [[`data of ${n}`]]));
      for (const [fences] of printed(ended, 'fences')) expect(fences).to.equal(0);
      expect(ended.code).to.equal(1);
      expect(ended.stderr).to.include(`${key(2)} is not replayed: the store refuses 2\n`);
      expect(recorded()).to.deep.equal([key(1), key(3)]);
    });

  it('gives the nodes the item as it was parked, and its lease without a fence', async () => {
    await park(parkedItem(1), parkedItem(7, { key: 'own', shardId: 'shardId-000000000005' }));
    const ended = await replay(moduleText('reduce', 'items'));
    expect([ended.code, ended.stderr]).to.deep.equal([0, '']);
    const [first, second] = ['shardId-000000000000', 'shardId-000000000005'];
    expect(printed(ended, 'written')).to.deep.equal([
      ['data of 1', 'key-1', key(1), 'orders', first, '1', 0, true, 'data of 1'],
      ['data of 7', 'own', key(7), 'orders', second, '7', 0, true, 'data of 7'],
    ]);
    expect(printed(ended, 'lease')).to.deep.equal(
      [first, second].map((shardId) => [{ source: 'orders', shardId, fence: 0 }, 1]),
    );
    expect(recorded()).to.deep.equal([key(1), key(7)]);
  });

  it('gives a value that failed in the pipe to its node, and not to the reducer', async () => {
    const values = ['first', 'second'].map((text) => Buffer.from(JSON.stringify(text)));
    const standsFor = [
      { source: 'orders', shardId: 'shardId-000000000000', fence: 3, first: '1', last: '2', items: 2 },
    ];
    const message = { node: 'sink', index: 1, nodes: ['aggregate', 'sink'], route: [], standsFor };
    const whole = Buffer.from(JSON.stringify(['whole']));
    await park(
      parkedItem(1, { idempotencyKey: 'a', message: { ...message, valueBytes: [whole.length] }, data: whole }),
      parkedItem(2, {
        ...{ idempotencyKey: 'b', data: Buffer.concat(values) },
        message: { ...message, node: 'aggregate', index: 0, valueBytes: values.map(({ length }) => length) },
      }),
      parkedItem(3),
    );
    const ended = await replay(moduleText('reduce', 'batches'));
    expect([ended.code, ended.stderr]).to.deep.equal([0, '']);
    expect(printed(ended, 'reduced')).to.deep.equal([['data of 3', key(3)]]);
    expect(printed(ended, 'written')).to.deep.equal([[['whole']], [['first', 'second']], [['data of 3']]]);
    expect(recorded()).to.deep.equal(['a', 'b', key(3)]);
  });

  it('refuses what a reducer emits if the module exports no pipe, also if the reducer catches the error', async () => {
    await park(parkedItem(1));
    const text =
      'ctx.emit was called, and the module exports no pipe: export the pipe that stands behind the reducer, too, as pipe';
    const caught = `${head}export default { init: () => 0, reduce: (n, _, ctx) => { try { ctx.emit(1); } catch {} return n; } };`;
    for (const each of [moduleText('reduce', undefined), moduleText('flush', undefined), caught]) {
      const ended = await replay(each);
      expect({ each, code: ended.code }).to.deep.equal({ each, code: 1 });
      expect(ended.stderr.split('\n')[0]).to.equal(`${key(1)} is not replayed: ${text}`);
      expect(recorded()).to.deep.equal([]);
    }
  });

  it('lets a call of the pipe finish on SIGTERM, records its item, and leaves the others', async () => {
    await park(parkedItem(1), parkedItem(2));
    const running = startKinact(
      args(`${head}export const reducer = ${reducers['flush']};
        export const pipe = chain().to(async () => {
          console.log('begun');
          await new Promise((resolve) => process.once('SIGTERM', () => setTimeout(resolve, 300)));
        });`),
      env,
    );
    await running.until(({ stdout }) => stdout.includes('begun'));
    running.child.kill('SIGTERM');
    const { code, stdout, stderr } = await running.ended;
    const text = 'STOPPED: the replay is incomplete: 1 of 2 are left; run it again\n';
    expect({ code, stderr }).to.deep.equal({ code: 1, stderr: text });
    expect(stdout.match(/begun/g)).to.have.length(1);
    expect(recorded()).to.deep.equal([key(1)]);
  });

  it('ends at once with the error if an init fails, of the reducer or of a node', async () => {
    await park(parkedItem(1));
    const failing = `init: () => { throw new Error('no state'); }`;
    const well = { reducer: reducers['reduce'], pipe: pipes['batches'] };
    const broken = [
      { ...well, reducer: `{ ${failing}, reduce: (n) => n }` },
      { ...well, pipe: `{ nodes: [{ ${failing}, handleMessage: (_, message) => ({ drop: [message] }) }] }` },
    ];
    for (const { reducer, pipe } of broken) {
      const text = `${head}export const reducer = ${reducer};\nexport const pipe = ${pipe};\n`;
      const ended = await replay(text);
      expect({ text, code: ended.code }).to.deep.equal({ text, code: 1 });
      expect(ended.stderr).to.include('no state');
      expect(recorded()).to.deep.equal([]);
    }
  });
});
