// A logger that throws does no harm, and the fields of a line win over those of its owner.
import { expect } from 'chai';
import { pino } from 'pino';
import { guardLogger, silentLogger, type Logger } from '../../../src/api/logger.js';

const levels = ['debug', 'info', 'warn', 'error'] as const;

describe('a logger', () => {
  it('gets the fields of its owner and of the line, and the fields of the line win', () => {
    const lines: unknown[] = [];
    const logger = pino({ level: 'debug', base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const guarded = guardLogger(logger, { shardId: 'a', source: 'orders' }, () => expect.fail('nothing failed'));
    for (const level of levels) guarded[level]({ shardId: level }, `as ${level}`);
    expect(lines.map((line) => ({ ...(line as object), time: 0 }))).to.deep.equal(
      levels.map((level, index) => ({
        level: 20 + 10 * index,
        time: 0,
        shardId: level,
        source: 'orders',
        msg: `as ${level}`,
      })),
    );
  });

  it('may throw without harm: each error is reported', () => {
    const broken = () => {
      throw new Error('disk full');
    };
    const logger: Logger = { debug: broken, info: broken, warn: broken, error: broken };
    const failures: unknown[] = [];
    const guarded = guardLogger(logger, {}, (error) => failures.push(error));
    for (const level of levels) guarded[level]({}, 'x');
    expect(failures.map(String)).to.deep.equal(levels.map(() => 'Error: disk full'));
  });

  it('is silent as `false`, and is then not wrapped', () => {
    expect(guardLogger(silentLogger, {}, () => {})).to.equal(silentLogger);
    for (const level of levels) expect(silentLogger[level]({}, 'x')).to.equal(undefined);
  });
});
