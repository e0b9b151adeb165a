// Symptom: wrong arguments led to errors from inside kinact. Examples are a TypeError of a buffer without `subarray`, and a
// RangeError that did not say which record lacked what. Cause: small functions did not check their arguments.
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { isKinactError } from '../../src/api/errors.js';
import { decodeAggregate } from '../../src/index.js';
import { encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import { fakeStream } from '../../src/testing/index.js';

function refusalOf(call: () => unknown): { readonly code: string; readonly message: string } {
  try {
    call();
  } catch (error) {
    if (isKinactError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  return expect.fail('nothing was refused');
}

describe('decodeAggregate', () => {
  const data = encodeAggregate([{ partitionKey: 'a', data: Buffer.from('1') }]);
  const wrong: readonly (readonly [what: string, value: unknown])[] = [
    ['undefined', undefined],
    ['null', null],
    ['a text', Buffer.from(data).toString('base64')],
    ['the record instead of its data', { data, partitionKey: 'a' }],
    ['an ArrayBuffer', new ArrayBuffer(8)],
    ['a list of numbers', [...data]],
  ];
  for (const [what, value] of wrong) {
    it(`refuses ${what}, and says what it expects`, () => {
      const { code, message } = refusalOf(() => decodeAggregate(value as Uint8Array));
      expect(code).to.equal('INVALID_OPTION');
      expect(message).to.match(/^data: expected a Uint8Array, as the `data` of a record, got /);
    });
  }

  it('accepts bytes of another realm, as test runners with a realm per file make them', () => {
    const foreign = runInNewContext('(bytes) => Uint8Array.from(bytes)')([...data]) as Uint8Array;
    expect(foreign instanceof Uint8Array).to.equal(false);
    expect(decodeAggregate(foreign).records).to.have.length(1);
  });
});

describe('put of a stream in memory', () => {
  it('says which record lacks its key, and puts no record', () => {
    const stream = fakeStream();
    const put = (): unknown => stream.put({ partitionKey: 'a', data: '1' }, { data: '2' });
    expect(refusalOf(put)).to.deep.equal({
      code: 'INVALID_OPTION',
      message:
        "records[1].partitionKey: expected a text; only a stream whose distribution is 'AUTO' takes records without a partition key, got undefined",
    });
    expect(stream.recordsOf('shardId-000000000000')).to.deep.equal([]);
  });

  it('says which record has a hash key that no shard can have', () => {
    const explicitHashKey = String(2n ** 128n);
    const { code, message } = refusalOf(() => fakeStream().put({ partitionKey: 'a', data: '1', explicitHashKey }));
    expect(code).to.equal('INVALID_OPTION');
    expect(message).to.include('records[0].explicitHashKey: expected a decimal number below 2^128, got ');
  });

  it('accepts records without a key if the service places them', () => {
    expect(fakeStream({ distribution: 'AUTO' }).put({ data: '1' })).to.have.length(1);
  });
});
