// The logger of a consumer that is given none. It prints warnings and errors, floods nothing, and never does harm.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { expect } from 'chai';
import { createDefaultLogger, linesPerWindow, windowMs } from '../../../src/api/default-logger.js';
import { logLine } from '../../../src/consumer/log-line.js';

function printing(isTTY = false) {
  const time = { now: 0 };
  const written: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string, _, done) => (written.push(chunk), done()),
  }) as unknown as NodeJS.WriteStream;
  stream.isTTY = isTTY;
  const logger = createDefaultLogger({
    stream: () => stream,
    now: () => time.now,
    wallNow: () => Date.UTC(2026, 0, 1),
  });
  return { logger, time, lines: () => written.splice(0).join('').split('\n').slice(0, -1), stream };
}

const error = Object.assign(new Error('no answer', { cause: new Error('socket hang up') }), { code: 'ETIMEDOUT' });

describe('the default logger', () => {
  it('prints warnings and errors as JSON lines, with the error, and nothing else', () => {
    const { logger, lines } = printing();
    logger.debug({ event: 'checkpoint' }, 'checkpoint');
    logger.info({ event: 'leaseTaken' }, 'leaseTaken');
    logger.error({ application: 'orders', event: 'closed', err: error }, 'closed: no answer: socket hang up');
    const [line, ...others] = lines();
    expect(others).to.deep.equal([]);
    const shown = JSON.parse(line!);
    expect(shown).to.include({
      time: '2026-01-01T00:00:00.000Z',
      level: 'error',
      message: 'closed: no answer: socket hang up',
      event: 'closed',
      application: 'orders',
    });
    expect(shown.err).to.include({ name: 'Error', message: 'no answer', code: 'ETIMEDOUT' });
    expect(shown.err.cause).to.include({ message: 'socket hang up' });
  });

  it('prints one readable line on a terminal, escaped', () => {
    const { logger, lines } = printing(true);
    const fields = { application: 'orders', event: 'leaseLost', shardId: 's\u001b[2J', reason: 'gone', err: error };
    logger.warn(fields, 'leaseLost: gone');
    expect(lines()).to.deep.equal([
      '2026-01-01T00:00:00.000Z kinact WARN leaseLost: gone (application=orders shardId=s\\u001b[2J)',
    ]);
  });

  it('cuts a storm of one event, says how many lines it left out, and lets other events through', () => {
    const { logger, lines, time } = printing();
    for (let attempt = 0; attempt < 5_000; attempt += 1) logger.warn({ event: 'retrying', attempt }, 'retrying: x');
    expect(lines()).to.have.length(linesPerWindow);
    logger.error({ event: 'sourceFailed' }, 'sourceFailed: y');
    expect(lines()).to.have.length(1);
    time.now = windowMs;
    // Any line is the occasion, even one that is not printed.
    logger.debug({ event: 'checkpoint' }, 'checkpoint');
    expect(lines().map((line) => JSON.parse(line).message)).to.deep.equal([
      'retrying: 4990 more in 60 s were left out',
    ]);
    logger.warn({ event: 'retrying' }, 'retrying: again');
    expect(lines()).to.have.length(1);
  });

  it('says what it has left out at the end of the consumer', () => {
    const { logger, lines, time } = printing(true);
    for (let attempt = 0; attempt < 15; attempt += 1) logger.warn({ event: 'retrying' }, 'retrying: x');
    lines();
    time.now = 3_000;
    logger.info({ event: 'closed' }, 'closed');
    expect(lines().join()).to.include('retrying: 5 more in 3 s were left out');
  });

  it('never throws, whatever the fields, the error or the stream are', () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    const hostile = Object.create(null) as object;
    for (const isTTY of [true, false]) {
      const { logger } = printing(isTTY);
      for (const fields of [{ cyclic }, { big: 1n }, { err: hostile }, { err: cyclic }, { err: undefined }])
        expect(() => logger.error(fields, 'x')).to.not.throw();
    }
    const broken = createDefaultLogger({
      stream: () => {
        throw new Error('no stderr');
      },
      now: () => 0,
      wallNow: () => 0,
    });
    expect(() => broken.error({}, 'x')).to.not.throw();
  });

  it('survives a stderr that is closed', async () => {
    const file = new URL('../../../src/api/default-logger.js', import.meta.url).href;
    const program = `
      import { createDefaultLogger } from '${file}';
      const logger = createDefaultLogger();
      await new Promise((resolve) => process.stdin.once('data', resolve));
      for (let index = 0; index < 5; index += 1) {
        logger.error({ event: 'closed' }, 'x'.repeat(100_000));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      console.log('survived');
      process.exit(0);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'pipe' });
    child.stderr.destroy();
    child.stdin.write('go\n');
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, output }).to.deep.equal({ code: 0, output: 'survived\n' });
  });

  for (const event of ['itemParked', 'itemRetrying', 'recordSkipped', 'parkingFailed', 'itemRecovered'] as const)
    it(`is bounded although 10,000 events ${event} come in a minute, and says how many it left out`, () => {
      const { logger, lines, time } = printing();
      const place = { source: 'orders', shardId: 's', sequenceNumber: '1', subSequenceNumber: 0, at: 'reduce' };
      const counted = { attempt: 1, attempts: 1, delayMs: 100, items: 1, forMs: 5, idempotencyKey: 'i' };
      const say = (n: number): void => {
        const { level, fields, text } = logLine({
          name: event,
          data: { ...place, ...counted, key: `k${n}`, error },
        } as never);
        logger[level](fields, text);
      };
      for (let n = 0; n < 10_000; n += 1) {
        time.now = n * 6;
        say(n);
      }
      const isPrinted = event !== 'itemRecovered';
      expect(lines()).to.have.length(isPrinted ? linesPerWindow : 0);
      time.now = windowMs;
      say(10_000);
      const later = lines();
      expect(later).to.have.length(isPrinted ? 2 : 0);
      if (isPrinted) expect(later[0]).to.include(`${event}: ${10_000 - linesPerWindow} more in 60 s were left out`);
    });
});
