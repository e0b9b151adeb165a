// Symptom: text from outside reached messages, logs and terminals unescaped. The message of POISON_RECORD had the partition key as
// it came, with newlines and escape sequences. `tail --text` passed on C1 controls (a terminal takes U+009B for ESC [) and
// bidirectional controls: JSON escapes only what is below U+0020. Log lines had keys and shard ids as they came. Cause: each place
// that escaped anything had its own rule.
import { expect } from 'chai';
import { alignColumns } from '../../src/cli/columns.js';
import { errorLine } from '../../src/cli/command.js';
import { recordLine } from '../../src/cli/record-lines.js';
import { createEmitter } from '../../src/consumer/emitter.js';
import type { KinactError } from '../../src/api/errors.js';
import { guardLogger, type Logger } from '../../src/api/logger.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const hostile = 'key\n\u001b[2J\u009b31m\u202egnp.exe\u2028';
const unseen = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

describe('text from outside', () => {
  const clock = new ManualClock();
  afterEach(() => clock.uninstall());

  it('is escaped in the message of POISON_RECORD, and unchanged in its data', async () => {
    clock.install();
    const lines: [object, string][] = [];
    const line = (fields: object, message: string): void => void lines.push([fields, message]);
    const logger: Logger = { debug: line, info: line, warn: line, error: line };
    const fail = ({ key }: { readonly key: string }): void => {
      if (key === hostile) throw new Error(`cannot use ${hostile}`);
    };
    const { consumer, stream } = virtualConsumer(clock, { onItem: fail, onFailure: 'crash', logger });
    stream.put({ partitionKey: hostile, data: 'x' });
    const starting = consumer.start();
    const ended = consumer.closed.then(
      () => undefined,
      (error: unknown) => error as KinactError,
    );
    for (let second = 0; second < 30; second += 1) {
      stream.put({ partitionKey: `fine ${second}`, data: 'y' });
      await clock.advance(1_000);
    }
    await starting.catch(() => {});
    const error = (await ended)!;
    expect(error.code).to.equal('POISON_RECORD');
    expect(error.message).to.not.match(unseen);
    expect(error.message).to.contain("key 'key\\n\\u001b[2J\\u009b31m\\u202egnp.exe\\u2028'");
    expect(error.data.key).to.equal(hostile);
    expect(consumer.live().reasons.join()).to.not.match(unseen);
    for (const [fields] of lines)
      for (const value of Object.values(fields)) if (typeof value === 'string') expect(value).to.not.match(unseen);
    expect(lines).to.not.have.length(0);
  });

  it('is escaped in the lines of tail, and JSON gives it back unchanged', () => {
    const data = Buffer.from(`grüß 👩‍🚀 שלום ${hostile}`);
    const record = { shardId: hostile, sequenceNumber: '1', partitionKey: hostile, data };
    for (const asText of [true, false]) {
      const line = recordLine(record, asText);
      expect(line.trimEnd()).to.not.match(unseen);
      const parsed = JSON.parse(line) as { shardId: string; partitionKey: string; data: string };
      expect(parsed).to.include({ shardId: hostile, partitionKey: hostile });
      expect(parsed.data).to.equal(data.toString(asText ? 'utf8' : 'base64'));
    }
    expect(recordLine(record, true)).to.contain('grüß 👩‍🚀 שלום ');
  });

  it('has the time in the lines of tail as an ISO text, or null if there is none that a Date can hold', () => {
    const timeOf = (arrivedAt?: number): unknown =>
      JSON.parse(recordLine({ shardId: 's', sequenceNumber: '1', data: Buffer.alloc(0), arrivedAt }, true)).arrivedAt;
    expect(timeOf(1_700_000_000_123)).to.equal('2023-11-14T22:13:20.123Z');
    expect([timeOf(), timeOf(1e20)]).to.deep.equal([null, null]);
  });

  it('is escaped in tables, in error lines, in log lines and in the sentences of events', () => {
    expect(alignColumns([[hostile, 'b']]).join()).to.not.match(unseen);
    expect(errorLine(new Error(hostile))).to.not.match(unseen);
    const logged: object[] = [];
    const line = (fields: object): void => void logged.push(fields);
    const emitter = createEmitter(guardLogger({ debug: line, info: line, warn: line, error: line }, {}, () => {}));
    const heard: { leaseKey: string; reason: string }[] = [];
    emitter.on('malformedLease', (data) => heard.push(data));
    const data = { table: 'orders', leaseKey: hostile, reason: `checkpoint is ${hostile}` };
    emitter.emit({ name: 'malformedLease', data });
    expect(JSON.stringify(logged[0])).to.not.match(unseen);
    expect((logged[0] as typeof data).leaseKey).to.not.match(unseen);
    expect(heard[0]!.reason).to.not.match(unseen);
    // Values that a program works with stay unchanged.
    expect(heard[0]!.leaseKey).to.equal(hostile);
  });
});
