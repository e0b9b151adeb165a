// SubscribeToShard in the model of Kinesis, on a clock that the test moves: who gets a subscription, and what it sends when.
import { expect } from 'chai';
import { ScriptedKinesis } from '../../../src/testing/scripted-server/scripted-kinesis.js';
import type { ScriptedKinesisOptions, ScriptedSubscription } from '../../../src/testing/index.js';

const first = 'shardId-000000000000';

interface Event {
  readonly Records: readonly { readonly SequenceNumber: string; readonly Data: string }[];
  readonly MillisBehindLatest: number;
  readonly ContinuationSequenceNumber?: string;
  readonly ChildShards?: readonly { readonly ShardId: string }[];
}

describe('a subscription of the scripted Kinesis', () => {
  const model = (options: ScriptedKinesisOptions = {}) => {
    const kinesis = new ScriptedKinesis({ now: () => 1_700_000_000_000, ...options });
    const { arn } = kinesis.createStream('orders');
    const consumer = (name: string): string =>
      (kinesis.handle('RegisterStreamConsumer', { StreamARN: arn, ConsumerName: name }) as any).Consumer.ConsumerARN;
    const app = consumer('app');
    const put = (data: string): string => kinesis.put('orders', { partitionKey: 'a', data }).sequenceNumber;
    const subscribe = (
      position: object = { Type: 'TRIM_HORIZON' },
      arnOf = app,
      ShardId = first,
    ): ScriptedSubscription => kinesis.subscribe({ ConsumerARN: arnOf, ShardId, StartingPosition: position });
    const refusal = (work: () => unknown): string => {
      try {
        work();
        return 'no error';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    return { kinesis, consumer, app, put, subscribe, refusal };
  };

  /** The next message, which must be an event. */
  const event = (subscription: ScriptedSubscription): Event => {
    const message = subscription.next();
    if (message?.type !== 'event') throw new Error(`no event but ${JSON.stringify(message)}`);
    return message.event as Event;
  };
  const data = (sent: Event): string[] => sent.Records.map((record) => Buffer.from(record.Data, 'base64').toString());

  it('sends records as soon as they are there, and an event without records when the heartbeat is due', () => {
    const { kinesis, put, subscribe } = model();
    put('one');
    kinesis.advance(700);
    const subscription = subscribe();
    let changes = 0;
    subscription.onChange(() => (changes += 1));
    const sent = event(subscription);
    expect(data(sent)).to.deep.equal(['one']);
    expect(sent.MillisBehindLatest).to.equal(0);
    expect(subscription.next()).to.equal(undefined);

    put('two');
    expect(changes).to.equal(1);
    expect(data(event(subscription))).to.deep.equal(['two']);
    kinesis.advance(4_999);
    expect(subscription.next()).to.equal(undefined);
    expect(subscription.dueAt).to.equal(kinesis.now() + 1);
    kinesis.advance(1);
    expect(event(subscription).Records).to.deep.equal([]);
    expect(subscription.next()).to.equal(undefined);
  });

  it('says how far an event is behind when records are left for the next one', () => {
    const { kinesis, put, subscribe } = model();
    const large = 'x'.repeat(700_000);
    put(large);
    put(large);
    kinesis.advance(3_000);
    const subscription = subscribe();
    const sent = event(subscription);
    expect(sent.Records).to.have.length(1);
    expect(sent.MillisBehindLatest).to.equal(3_000);
    expect(BigInt(sent.ContinuationSequenceNumber!) > BigInt(sent.Records[0]!.SequenceNumber)).to.equal(true);
    const second = event(subscription);
    expect(BigInt(sent.ContinuationSequenceNumber!) < BigInt(second.Records[0]!.SequenceNumber)).to.equal(true);
    expect(second.MillisBehindLatest).to.equal(0);
  });

  it('goes on after a continuation number without a gap or repeat, also if the number is that of a heartbeat', () => {
    const { kinesis, put, subscribe } = model({ subscriptionMs: 20_000 });
    const seen: string[] = [];
    put('0');
    let position: object = { Type: 'TRIM_HORIZON' };
    for (let round = 0; round < 4; round += 1) {
      const subscription = subscribe(position);
      seen.push(...data(event(subscription)));
      kinesis.advance(5_000);
      const { ContinuationSequenceNumber, Records } = event(subscription);
      expect(Records).to.deep.equal([]);
      const Type = round % 2 === 0 ? 'AFTER_SEQUENCE_NUMBER' : 'AT_SEQUENCE_NUMBER';
      position = { Type, SequenceNumber: ContinuationSequenceNumber };
      put(String(round + 1));
      kinesis.advance(15_000);
      expect(subscription.next(), 'its time is over').to.deep.equal({ type: 'end' });
    }
    expect(seen).to.deep.equal(['0', '1', '2', '3']);
  });

  it('has continuation numbers that GetShardIterator refuses: no record has them', () => {
    const { kinesis, put, subscribe, refusal } = model();
    put('one');
    const { ContinuationSequenceNumber } = event(subscribe());
    const input = { StreamName: 'orders', ShardId: first, ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' };
    const iterate = () =>
      kinesis.handle('GetShardIterator', { ...input, StartingSequenceNumber: ContinuationSequenceNumber });
    expect(refusal(iterate)).to.equal('InvalidArgumentException');
  });

  it('begins at every kind of position, and refuses those that GetShardIterator refuses', () => {
    const { kinesis, consumer, put, subscribe, refusal } = model();
    const one = put('one');
    kinesis.advance(1_000);
    const two = put('two');
    let others = 0;
    const read = (position: object): string[] => {
      const subscription = subscribe(position, consumer(`other-${(others += 1)}`));
      const message = subscription.next();
      return message?.type === 'event' ? data(message.event as Event) : [];
    };
    expect(read({ Type: 'TRIM_HORIZON' })).to.deep.equal(['one', 'two']);
    expect(read({ Type: 'LATEST' })).to.deep.equal([]);
    expect(read({ Type: 'AT_SEQUENCE_NUMBER', SequenceNumber: one })).to.deep.equal(['one', 'two']);
    expect(read({ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: one })).to.deep.equal(['two']);
    expect(read({ Type: 'AT_TIMESTAMP', Timestamp: kinesis.now() / 1_000 })).to.deep.equal(['two']);

    const never = String(BigInt(two) + 1n);
    for (const SequenceNumber of [never, '0', '', String(BigInt(two) + 1_600n + 8n)])
      expect(
        refusal(() => read({ Type: 'AT_SEQUENCE_NUMBER', SequenceNumber })),
        SequenceNumber,
      ).to.equal('InvalidArgumentException');
    kinesis.trim('orders', first, 1);
    expect(refusal(() => read({ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: one }))).to.equal(
      'InvalidArgumentException',
    );
    const future = kinesis.now() / 1_000 + 60;
    expect(refusal(() => read({ Type: 'AT_TIMESTAMP', Timestamp: future }))).to.equal('InvalidArgumentException');
  });

  for (const endOfShard of ['withRecords', 'emptyAnswer'] as const)
    it(`names the children at the end of a closed shard, without a continuation, and ends: ${endOfShard}`, () => {
      const { kinesis, put, subscribe } = model({ endOfShard });
      const subscription = subscribe();
      put('one');
      const children = kinesis.split('orders', first);
      const sent = [event(subscription)];
      if (endOfShard === 'emptyAnswer') {
        expect(sent[0]).to.have.property('ContinuationSequenceNumber');
        sent.push(event(subscription));
      }
      const last = sent.at(-1)!;
      expect(sent.flatMap(data)).to.deep.equal(['one']);
      expect(last.ChildShards!.map((child) => child.ShardId)).to.deep.equal(children);
      expect(last).to.not.have.property('ContinuationSequenceNumber');
      expect(subscription.next()).to.deep.equal({ type: 'end' });
      expect(kinesis.subscriptions).to.deep.equal([]);
    });

  it('ends after its time, however busy the shard is', () => {
    const { kinesis, put, subscribe } = model();
    const subscription = subscribe();
    kinesis.advance(299_999);
    put('late');
    expect(data(event(subscription))).to.deep.equal(['late']);
    kinesis.advance(1);
    put('too late');
    expect(subscription.next()).to.deep.equal({ type: 'end' });
    expect(subscription.next()).to.deep.equal({ type: 'end' });
  });

  it('refuses a second one for five seconds, and then lets it take over', () => {
    const { kinesis, consumer, put, subscribe, refusal } = model();
    const older = subscribe();
    expect(refusal(subscribe), 'within a second').to.equal('LimitExceededException');
    kinesis.advance(1_000);
    expect(refusal(subscribe)).to.equal('ResourceInUseException');
    expect(refusal(() => subscribe({ Type: 'LATEST' }, consumer('another')))).to.equal('no error');
    kinesis.advance(3_999);
    expect(refusal(subscribe)).to.equal('ResourceInUseException');
    expect(older.next()).to.equal(undefined);

    kinesis.advance(1_001);
    const younger = subscribe();
    put('one');
    expect(older.next()).to.include({ type: 'exception', code: 'ResourceInUseException' });
    expect(older.next()).to.deep.equal({ type: 'end' });
    expect(data(event(younger))).to.deep.equal(['one']);
    expect(kinesis.subscriptions.filter((one) => one.consumer === 'app')).to.deep.equal([younger]);
  });

  it('is held for five seconds after its client has left, and not at all after the service ended it', () => {
    const { kinesis, subscribe, refusal } = model({ subscriptionMs: 2_000 });
    subscribe().close();
    kinesis.advance(1_000);
    expect(kinesis.subscriptions).to.deep.equal([]);
    expect(refusal(subscribe)).to.equal('ResourceInUseException');
    kinesis.advance(4_000);
    const second = subscribe();
    kinesis.advance(2_000);
    expect(second.next()).to.deep.equal({ type: 'end' });
    expect(refusal(subscribe)).to.equal('no error');
  });

  it('needs a consumer that is ACTIVE and a shard that exists', () => {
    const { kinesis, consumer, app, subscribe, refusal } = model({ consumerMs: 1_000 });
    const position = { Type: 'TRIM_HORIZON' };
    expect(refusal(subscribe)).to.equal('ResourceInUseException');
    kinesis.advance(1_000);
    expect(refusal(() => subscribe(position, app, 'shardId-000000000009'))).to.equal('ResourceNotFoundException');
    expect(refusal(() => subscribe(position, `${app}1`))).to.equal('ResourceNotFoundException');
    kinesis.handle('DeregisterStreamConsumer', { ConsumerARN: consumer('other') });
    expect(refusal(() => subscribe(position, app))).to.equal('no error');
  });

  for (const [what, remove] of Object.entries({
    'its shard': (kinesis: ScriptedKinesis) => kinesis.dropShard('orders', first),
    'its stream': (kinesis: ScriptedKinesis) => kinesis.streams.delete('orders'),
    'its stream, though another one has that name': (kinesis: ScriptedKinesis) => {
      kinesis.handle('DeleteStream', { StreamName: 'orders', EnforceConsumerDeletion: true });
      kinesis.createStream('orders');
    },
    'its consumer': (kinesis: ScriptedKinesis, app: string) =>
      kinesis.handle('DeregisterStreamConsumer', { ConsumerARN: app }),
  }))
    it(`ends with ResourceNotFoundException when this is removed: ${what}`, () => {
      const { kinesis, app, subscribe } = model();
      const subscription = subscribe();
      remove(kinesis, app);
      expect(subscription.next()).to.include({ type: 'exception', code: 'ResourceNotFoundException' });
      expect(subscription.next()).to.deep.equal({ type: 'end' });
    });

  it('shows in the view of open ones: consumer, shard and since when', () => {
    const { kinesis, subscribe } = model();
    kinesis.advance(500);
    subscribe();
    const [open] = kinesis.subscriptions;
    expect(open).to.include({ stream: 'orders', consumer: 'app', shardId: first, since: kinesis.now() });
  });
});
