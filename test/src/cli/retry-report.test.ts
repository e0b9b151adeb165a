// A command reports each kind of failure at once, and then at most every ten seconds with a count.
import { expect } from 'chai';
import { retryReporter } from '../../../src/cli/retry-report.js';
import { KinactError } from '../../../src/api/errors.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

describe('the reports of a command about repeated calls', () => {
  const clock = new ManualClock();
  const refused = (shard: number): KinactError =>
    new KinactError('AWS_ERROR', `shard ${shard} was refused`, { data: { kind: 'network' } });

  it('come at once for each kind of failure, then every ten seconds with a count for all shards', () => {
    const said: string[] = [];
    const reportRetry = retryReporter((text) => said.push(text), clock);
    for (let shard = 0; shard < 16; shard += 1) reportRetry('GetRecords', refused(shard));
    reportRetry('ListShards', refused(0));
    reportRetry('GetRecords', new KinactError('AWS_ERROR', 'slow down', { data: { kind: 'throttled' } }));
    clock.spend(9_999);
    reportRetry('GetRecords', refused(3));
    clock.spend(1);
    reportRetry('GetRecords', refused(4));
    clock.spend(10_000);
    reportRetry('GetRecords', refused(5));
    expect(said).to.deep.equal([
      'GetRecords is repeated: AWS_ERROR: shard 0 was refused',
      'ListShards is repeated: AWS_ERROR: shard 0 was refused',
      'GetRecords is repeated: AWS_ERROR: slow down',
      'GetRecords is repeated, 16 more since then: AWS_ERROR: shard 4 was refused',
      'GetRecords is repeated: AWS_ERROR: shard 5 was refused',
    ]);
  });
});
