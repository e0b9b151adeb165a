// A log line says what has happened: in its text for people, and in the fields that loggers serialise. pino is the witness.
import { expect } from 'chai';
import { pino } from 'pino';
import { KinactError } from '../../../src/api/errors.js';
import type { KinactEvent } from '../../../src/api/events.js';
import { guardLogger } from '../../../src/api/logger.js';
import { createEmitter } from '../../../src/consumer/emitter.js';
import { logLine } from '../../../src/consumer/log-line.js';
import { describeError } from '../../../src/core/thrown.js';

const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
const failed = new KinactError('PROCESSING_FAILED', 'reduce failed for record 17 of s-0', {
  cause: refused,
  data: { shardId: 's-0', sequenceNumber: '17' },
});

const text = (event: KinactEvent): string => logLine(event).text;

/** The line that pino writes for an event. */
function pinoLine(event: KinactEvent): any {
  const lines: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  createEmitter(guardLogger(logger, { application: 'orders' }, () => expect.fail('the logger failed'))).emit(event);
  expect(lines).to.have.length(1);
  return JSON.parse(lines[0]!);
}

describe('a log line', () => {
  it('has the error as `err`, which pino shows with message, stack, code, data and causes', () => {
    const line = pinoLine({ name: 'pipelineRestarted', data: { incarnation: 2, error: failed } });
    expect(line).to.include({ level: 50, event: 'pipelineRestarted', incarnation: 2, application: 'orders' });
    expect(line).to.not.have.property('error');
    expect(line.err).to.include({ type: 'KinactError', code: 'PROCESSING_FAILED' });
    expect(line.err.message).to.include('reduce failed for record 17').and.to.include('ECONNREFUSED');
    expect(line.err.stack).to.include('log-line.test').and.to.include('caused by: Error: connect ECONNREFUSED');
    expect(line.err.data).to.include({ sequenceNumber: '17' });
  });

  it('is a warning if a shard is polled for a reason that only people can end', () => {
    const data = { source: 'orders', shardId: 's-0', by: 'polling', why: 'noConsumer' } as const;
    const error = new KinactError('FAN_OUT_UNAVAILABLE', 'no room');
    expect(logLine({ name: 'retrievalChanged', data: { ...data, error } }).level).to.equal('warn');
    expect(logLine({ name: 'retrievalChanged', data: { ...data, error: refused } }).level).to.equal('info');
  });

  it('says the event, the message and the causes in its text', () => {
    const why = 'reduce failed for record 17 of s-0: connect ECONNREFUSED 127.0.0.1:5432';
    expect(text({ name: 'pipelineRestarted', data: { incarnation: 2, error: failed } })).to.equal(
      `pipelineRestarted: ${why}`,
    );
    const wrapped = new KinactError('PROCESSING_FAILED', `reduce failed: ${refused.message}`, { cause: refused });
    expect(text({ name: 'pipelineRestarted', data: { incarnation: 2, error: wrapped } })).to.equal(
      `pipelineRestarted: reduce failed: ${refused.message}`,
    );
    expect(text({ name: 'actorCrashed', data: { actor: 'reducer/0#1', error: failed } })).to.equal(
      `actorCrashed: reducer/0#1: ${why}`,
    );
    const poison = new KinactError('POISON_RECORD', 'Record 17 failed 3 times in a row.', { cause: failed });
    expect(text({ name: 'closed', data: { error: poison } })).to.equal(
      `closed: Record 17 failed 3 times in a row: ${why}`,
    );
    const retrying = { operation: 'GetRecords', kind: 'network', attempt: 1, error: refused, delayMs: 5 } as const;
    expect(text({ name: 'retrying', data: retrying })).to.equal(`retrying: GetRecords: ${refused.message}`);
    expect(text({ name: 'warning', data: { message: 'look here', error: 'a thrown text' } })).to.equal(
      'warning: look here: a thrown text',
    );
    expect(text({ name: 'warning', data: { message: 'look here', error: new Error('look here') } })).to.equal(
      'warning: look here',
    );
  });

  it('says the place: the shard, or the lease, and the record', () => {
    const shard = { source: 'orders', shardId: 's-0' } as const;
    expect(text({ name: 'trimmed', data: { ...shard, sequenceNumber: '49', certain: false } })).to.equal(
      'trimmed: orders/s-0, record 49: records may have expired before they were read',
    );
    const retrying = {
      ...shard,
      operation: 'GetRecords',
      kind: 'network',
      attempt: 1,
      error: refused,
      delayMs: 5,
    } as const;
    expect(text({ name: 'retrying', data: retrying })).to.equal(`retrying: orders/s-0: GetRecords: ${refused.message}`);
    expect(text({ name: 'malformedLease', data: { table: 't', leaseKey: 's-1', reason: 'no counter' } })).to.equal(
      'malformedLease: s-1: no counter',
    );
  });

  it('is one line, escaped, and not longer than people read', () => {
    const error = new Error(`one\ntwo \u202e ${'x'.repeat(10_000)}`);
    const line = text({ name: 'actorCrashed', data: { actor: 'a', error } });
    expect(line).to.match(/^actorCrashed: a: one two \\u202e x/);
    expect(line.length).to.be.below(2_100);
  });

  it('is an error if the consumer has ended by itself, otherwise information', () => {
    expect(logLine({ name: 'closed', data: {} })).to.deep.equal({
      level: 'info',
      fields: { event: 'closed' },
      text: 'closed',
    });
    expect(logLine({ name: 'closed', data: { error: failed } }).level).to.equal('error');
  });

  it('leaves the data of listeners as they are', () => {
    const emitter = createEmitter(guardLogger(pino({ level: 'silent' }), {}, () => {}));
    const heard: unknown[] = [];
    emitter.on('closed', (data) => heard.push(data));
    emitter.emit({ name: 'closed', data: { error: failed } });
    expect(heard).to.deep.equal([{ error: failed }]);
  });

  it('of a listener that throws names the event and has the error', () => {
    const lines: [Record<string, unknown>, string][] = [];
    const line = (fields: object, message: string): void =>
      void lines.push([fields as Record<string, unknown>, message]);
    const emitter = createEmitter({ debug: () => {}, info: () => {}, warn: line, error: line });
    emitter.on('closed', () => {
      throw refused;
    });
    emitter.emit({ name: 'closed', data: {} });
    expect(lines).to.deep.equal([
      [{ event: 'closed', err: refused }, `a listener of closed threw: ${refused.message}`],
    ]);
  });
});

describe('a listener', () => {
  it('to an event that does not exist is refused, with the name that was meant', () => {
    const { on } = createEmitter(guardLogger(false as never, {}, () => undefined));
    expect(() => on('leaseTakn' as never, () => undefined)).to.throw(
      "event: expected the name of an event, got 'leaseTakn'; did you mean 'leaseTaken'?",
    );
    expect(() => on('nothingLikeIt' as never, () => undefined)).to.throw("'leaseTaken', 'leaseLost'");
  });
});

describe('the JSON of a KinactError', () => {
  it('has its causes as objects with name, message, stack and code', () => {
    const outer = new KinactError('POISON_RECORD', 'poison', { cause: failed });
    const shown = JSON.parse(JSON.stringify(outer));
    expect(shown).to.include({ name: 'KinactError', code: 'POISON_RECORD', message: 'poison' });
    expect(shown.stack).to.include('KinactError: poison');
    expect(shown.cause).to.include({ name: 'KinactError', code: 'PROCESSING_FAILED', message: failed.message });
    expect(shown.cause.cause).to.include({ name: 'Error', code: 'ECONNREFUSED', message: refused.message });
    expect(shown.cause.cause.stack).to.include('log-line.test');
  });

  it('ends although causes form a cycle, are very many, or are no errors', () => {
    const first = new Error('first');
    const second = new Error('second', { cause: first });
    first.cause = second;
    const shown = JSON.parse(JSON.stringify(new KinactError('AWS_ERROR', 'cyclic', { cause: first })));
    expect(shown.cause.cause).to.include({ message: 'second' }).and.not.to.have.property('cause');

    let deep = new Error('0');
    for (let depth = 1; depth < 1_000; depth += 1) deep = new Error(`${depth}`, { cause: deep });
    const text = JSON.stringify(new KinactError('AWS_ERROR', 'deep', { cause: deep }));
    expect(text.match(/"stack"/g)).to.have.length(9);

    for (const [cause, told] of [
      ['a text', 'a text'],
      [null, 'null'],
      [Object.create(null), '[object Object]'],
      [12n, '12'],
    ] as const) {
      expect(JSON.parse(JSON.stringify(new KinactError('AWS_ERROR', 'x', { cause }))).cause).to.equal(told);
    }
  });

  it('has the messages of all addresses if a connection to each of them failed', () => {
    const all = new AggregateError([refused, new Error('connect ETIMEDOUT')], '');
    expect(describeError(all)).to.deep.include({ message: `${refused.message}; connect ETIMEDOUT` });
  });
});
