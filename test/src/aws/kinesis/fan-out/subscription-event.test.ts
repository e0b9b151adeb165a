// What one event of a subscription says: records, where to continue, and whether the shard ends with it.
import { expect } from 'chai';
import { eventOf } from '../../../../../src/aws/kinesis/fan-out/subscription-event.js';

const child = { ShardId: 'shardId-000000000001', ParentShards: ['s-0'] };
const record = { SequenceNumber: '7', PartitionKey: 'k', Data: Buffer.from('x') };
const event = (body: object) =>
  eventOf({ SubscribeToShardEvent: { Records: [], MillisBehindLatest: 0, ...body } }, 's-0');

describe('an event of a subscription', () => {
  it('ends the shard if it names children, or nothing to continue after', () => {
    for (const ContinuationSequenceNumber of [undefined, null, '', '9'])
      for (const ChildShards of [undefined, null, [], [child]]) {
        const isLast = ContinuationSequenceNumber !== '9' || ChildShards?.length === 1;
        const { ends, children } = event({ ContinuationSequenceNumber, ChildShards })!;
        const told = JSON.stringify({ ContinuationSequenceNumber, ChildShards });
        expect(ends, told).to.equal(isLast);
        expect(
          children?.map(({ shardId }) => shardId),
          told,
        ).to.deep.equal(ChildShards?.length === 1 ? [child.ShardId] : undefined);
      }
  });

  it('has records also if it is the last one', () => {
    const { records, ends, bytes } = event({ Records: [record], ChildShards: [child] })!;
    expect([...records].map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(['7']);
    expect([ends, bytes > 0]).to.deep.equal([true, true]);
  });

  it('does not say where to continue or how far behind it is unless the members are there', () => {
    expect(event({ ContinuationSequenceNumber: '9', MillisBehindLatest: 40 })).to.include({
      continuation: '9',
      lagMs: 40,
    });
    const bare = eventOf({ SubscribeToShardEvent: { Records: [] } }, 's-0');
    expect(bare).to.deep.include({ continuation: undefined, lagMs: undefined });
  });

  it('is a failure if it has one, as an error or as a member, and nothing if its kind is not known', () => {
    const error = new Error('broken');
    expect(() => eventOf({ Anything: error }, 's-0')).to.throw(error);
    expect(() => eventOf({ KMSDisabledException: { message: 'no key' } }, 's-0'))
      .to.throw('no key')
      .with.property('name', 'KMSDisabledException');
    expect(() => eventOf({ InternalFailureException: null }, 's-0'))
      .to.throw()
      .with.property('name', 'InternalFailureException');
    for (const unknown of [{ NewKind: { message: 'hello' } }, {}, null, undefined])
      expect(eventOf(unknown, 's-0')).to.equal(undefined);
  });

  it('is refused if its records are malformed', () => {
    for (const Records of [[{ ...record, SequenceNumber: 7 }], [null]])
      expect(() => event({ Records, ContinuationSequenceNumber: '9' })).to.throw(SyntaxError);
  });
});
