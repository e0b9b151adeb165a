// A stream that was created again under the same name is another stream. If one side has no creation time, only the ARN counts.
import { expect } from 'chai';
import { createdAt, isSameStream, streamIdentityOf } from '../../../src/core/stream-identity.js';

const streamArn = 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders';

describe('the identity of a stream', () => {
  it('distinguishes a stream from one created later under the same name', () => {
    const first = streamIdentityOf({ streamArn, creationEpochSeconds: 1_700_000_000 });
    const second = streamIdentityOf({ streamArn, creationEpochSeconds: 1_700_000_001 });
    expect(first).to.equal(`${streamArn}#1700000000`);
    expect(isSameStream(first, first)).to.equal(true);
    expect(isSameStream(first, second)).to.equal(false);
  });

  it('compares only the ARN if one side has no creation time', () => {
    const timeless = streamIdentityOf({ streamArn, creationEpochSeconds: 0 });
    expect(timeless).to.equal(streamArn);
    expect(isSameStream(timeless, `${streamArn}#1700000000`)).to.equal(true);
    expect(isSameStream(`${streamArn}#1700000000`, timeless)).to.equal(true);
    expect(isSameStream(timeless, `${streamArn}2`)).to.equal(false);
  });

  it('shows when the stream was created, or nothing if that is unknown', () => {
    expect(createdAt(`${streamArn}#1700000000`)).to.equal('2023-11-14T22:13:20Z');
    for (const text of [streamArn, `${streamArn}#`, `${streamArn}#x`, `${streamArn}#1e99`]) {
      expect(createdAt(text), text).to.equal(undefined);
    }
  });
});
