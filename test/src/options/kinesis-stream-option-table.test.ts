// A wrong stream option is refused with its path, and the region and name in the ARN must agree with those in the options.
import { expect } from 'chai';
import { isKinactError } from '../../../src/api/errors.js';
import {
  consumerNameOf,
  kinesisStreamTable,
  resolveKinesisStream,
} from '../../../src/options/kinesis-stream-option-table.js';

const arn = 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders';

function refusal(options: unknown): string {
  try {
    resolveKinesisStream(options as never);
  } catch (error) {
    if (isKinactError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return expect.fail('nothing was refused');
}

describe('the options of kinesisStream', () => {
  it('have the documented defaults', () => {
    expect(resolveKinesisStream({ streamName: 'orders' })).to.deep.equal({
      name: 'orders',
      streamName: 'orders',
      streamArn: undefined,
      region: undefined,
      initialPosition: 'TRIM_HORIZON',
      outOfRange: 'emit',
      maxRecords: 10_000,
      idleMs: 1000,
      prefetch: { batches: 4, records: 30_000, bytes: 8_388_608 },
      retrieval: 'polling',
      consumerName: undefined,
      consumerArn: undefined,
      subscriptionClient: undefined,
      opaque: undefined,
      application: undefined,
      leases: { region: undefined, client: undefined },
      client: undefined,
    });
  });

  it('take the region from the ARN, and refuse another region or another stream name', () => {
    expect(resolveKinesisStream({ streamArn: arn })).to.include({ name: arn, region: 'eu-west-1' });
    expect(resolveKinesisStream({ streamArn: arn, streamName: 'orders', region: 'eu-west-1' }).name).to.equal(arn);
    expect(refusal({ streamArn: arn, region: 'us-east-1' })).to.equal(
      "INVALID_OPTION kinesisStream.region: expected 'eu-west-1', as in streamArn, got 'us-east-1'",
    );
    expect(refusal({ streamArn: arn, streamName: 'refunds' })).to.include('kinesisStream.streamName');
  });

  it('require streamName or streamArn', () => {
    expect(refusal({})).to.include('kinesisStream.streamName: expected streamName or streamArn, got undefined');
  });

  it('refuse wrong values with path, expected and got', () => {
    const wrong: Record<string, readonly unknown[]> = {
      streamName: ['', 'a b', 'x'.repeat(129), 5],
      streamArn: ['orders', 'arn:aws:dynamodb:eu-west-1:123456789012:table/x/stream/y'],
      region: ['Frankfurt', ''],
      initialPosition: ['latest', new Date(Number.NaN), 5, '2020-01-01'],
      outOfRange: ['drop'],
      maxRecords: [0, 10_001, 1.5],
      prefetch: [1, null, { bytes: 0 }, { batches: '8 MiB' }],
      idleMs: [-1, '1000'],
      application: ['a', 'no spaces'],
      leases: [1, { region: 'Frankfurt' }, { client: {} }],
      client: [{}, null],
      retrieval: ['push', true],
      consumerName: ['', 'no spaces', 'x'.repeat(129)],
      consumerArn: [arn, 'totals'],
      subscriptionClient: [{}, null],
    };
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        const said = refusal({ streamName: 'orders', [name]: value });
        expect(said).to.match(new RegExp(`^INVALID_OPTION kinesisStream\\.${name}[.\\w]*: expected .+, got .+`));
      }
    }
    expect(Object.keys(wrong)).to.include.members(Object.keys(kinesisStreamTable).filter((name) => name !== 'opaque'));
  });

  it('refuse an unknown name, and list the known names', () => {
    for (const name of ['fanOut', 'nonsense'])
      expect(refusal({ streamName: 'orders', [name]: 'push' })).to.include(
        `kinesisStream.${name}: no such option; known: `,
      );
    const pages = refusal({ streamName: 'orders', prefetch: { pages: 1 } });
    expect(pages).to.include('kinesisStream.prefetch.pages: no such option; known: batches, ');
  });

  it('refuse options of enhanced fan-out without it, two consumers, and the consumer of another stream', () => {
    const client = { send: () => Promise.resolve() };
    const consumerArn = `${arn}/consumer/totals:1700000000`;
    for (const option of [{ consumerName: 'totals' }, { consumerArn }, { subscriptionClient: client }]) {
      const [name] = Object.keys(option);
      expect(refusal({ streamArn: arn, ...option })).to.include(
        `kinesisStream.${name}: expected nothing unless retrieval is 'fan-out' or 'auto'`,
      );
      for (const retrieval of ['fan-out', 'auto'] as const)
        expect(resolveKinesisStream({ streamArn: arn, retrieval, ...option })).to.include(option);
    }
    const fanOut = { retrieval: 'fan-out', consumerArn };
    expect(refusal({ streamArn: arn, ...fanOut, consumerName: 'totals' })).to.include('kinesisStream.consumerName');
    expect(refusal({ streamName: 'refunds', ...fanOut })).to.include('expected a consumer of this stream');
    expect(refusal({ streamArn: `${arn}2`, ...fanOut })).to.include('expected a consumer of this stream');
    expect(resolveKinesisStream({ streamName: 'orders', retrieval: 'auto', consumerArn }).consumerArn).to.equal(
      consumerArn,
    );
  });

  it('make the lease table the name of the consumer, and refuse a table whose name no consumer may have', () => {
    expect(consumerNameOf('order-totals')).to.equal('order-totals');
    expect(() => consumerNameOf('x'.repeat(129))).to.throw('kinesisStream.consumerName: expected a name');
  });

  it('copy a Date, so that a later change of the given Date has no effect', () => {
    const date = new Date(1_700_000_000_000);
    const { initialPosition } = resolveKinesisStream({ streamName: 'orders', initialPosition: date });
    date.setTime(0);
    expect(initialPosition).to.deep.equal(new Date(1_700_000_000_000));
  });
});
