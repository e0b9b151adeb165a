// Symptom: when its input broke, `kinact put` reported `0 records put`, but the lines arrived in the stream a moment later. Cause:
// the error of the input was reported at once, while requests were still under way.
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { putLines } from '../../src/cli/put-lines.js';
import { KinactError } from '../../src/api/errors.js';
import type { PutResult } from '../../src/aws/kinesis/kinesis-producer.js';

describe('an input that breaks while its lines are being put', () => {
  it('is reported after all its lines have been put and counted, even lines not sent yet', async () => {
    const counts = { put: 0, refused: 0 };
    let taken = 0;
    const work = putLines({
      ...{ counts, keyField: undefined, aggregate: false, signal: new AbortController().signal },
      ...{ refused: () => {}, warn: () => {} },
      input: Readable.from(
        (async function* () {
          yield Buffer.from('a\nb\n');
          // By now the first two lines are on their way, and this line waits for them.
          yield Buffer.from('c\n');
          throw new Error('the disk is gone');
        })(),
      ),
      producer: {
        describe: () => Promise.reject(new KinactError('ACCESS_DENIED', 'may not ask')),
        openShards: () => Promise.resolve([]),
        put: async (records) => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          taken += records.length;
          return records.map((): PutResult => ({ type: 'put', shardId: 's', sequenceNumber: '1' }));
        },
        close: () => {},
      },
    });
    const error: unknown = await work.catch((thrown: unknown) => thrown);
    expect(error).to.include({ message: 'the disk is gone' });
    expect({ taken, ...counts }).to.deep.equal({ taken: 3, put: 3, refused: 0 });
  });
});
