// What is given where a policy or a sink belongs, and is none, is refused when it is given. The refusal names the cure.
import { expect } from 'chai';
import { isKinactError } from '../../../src/api/errors.js';
import { park } from '../../../src/options/park-policy.js';
import { resolveOptions } from '../../../src/options/resolved-options.js';
import { retry } from '../../../src/options/retry-policy.js';
import { fileSink } from '../../../src/parking/file-sink.js';
import { kinesisSink } from '../../../src/parking/kinesis-sink.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';

const sink = fileSink({ path: 'parked' });
const stream = kinesisSink({ streamName: 'parked' });

function refusal(act: () => unknown): { readonly option: string | undefined; readonly text: string } {
  try {
    act();
  } catch (error) {
    if (isKinactError(error) && error.code === 'INVALID_OPTION')
      return { option: error.data.option, text: error.message };
    throw error;
  }
  throw new Error('it was accepted');
}

const consumer = (onFailure: unknown) => (): unknown =>
  resolveOptions({
    application: 'orders',
    source: fakeStream().source,
    reducer: { init: () => 0, reduce: (state: number) => state },
    onFailure,
  });
const parked = (given: unknown) => (): unknown => park(given as never);
const last = (then: unknown) => (): unknown => retry({ then: then as never });

describe('what is no policy, and what is no sink', () => {
  const cases: readonly (readonly [string, () => unknown, string, RegExp])[] = [
    [
      'a file sink',
      consumer(sink),
      'onFailure',
      /got a sink made by fileSink: write park\(fileSink\(\{ path: … \}\)\)$/,
    ],
    [
      'a stream sink',
      consumer(stream),
      'onFailure',
      /made by kinesisSink: write park\(kinesisSink\(\{ streamName: … \}\)\)$/,
    ],
    [
      'park uncalled',
      consumer(park),
      'onFailure',
      /got the function park itself: write park\(fileSink\(\{ path: … \}\)\)$/,
    ],
    ['retry uncalled', consumer(retry), 'onFailure', /got the function retry itself: write retry\(\)$/],
    ['fileSink uncalled', consumer(fileSink), 'onFailure', /got the function fileSink itself: write park\(fileSink\(/],
    ['a name', consumer('retry'), 'onFailure', /got 'retry': write retry\(\)$/],
    ['another name', consumer('park'), 'onFailure', /got 'park': write park\(fileSink\(/],
    ['options alone', consumer({ attempts: 5 }), 'onFailure', /got an object: write retry\(\{ … \}\)$/],
    ['something else', consumer(5), 'onFailure', /or a function, got 5$/],
    ['then: a sink', last(sink), 'retry.then', /got a sink made by fileSink: write park\(fileSink\(/],
    ['then: park uncalled', last(park), 'retry.then', /got the function park itself: write park\(fileSink\(/],
    ['then: retry', last(retry()), 'retry.then', /got the policy of retry\(\)$/],
    ['park of a policy', parked(park(sink)), 'park.sink', /got the policy of park\(\): park takes a sink/],
    [
      'park of retry',
      parked(retry()),
      'park.sink',
      /got the policy of retry\(\): write retry\(\{ then: park\(sink\) \}\)$/,
    ],
    [
      'park of a path',
      parked({ path: 'x' }),
      'park.sink',
      /got an object with path: write park\(fileSink\(\{ path: … \}\)\)$/,
    ],
    [
      'park of a stream',
      parked({ streamName: 'x' }),
      'park.sink',
      /got the name of a stream: write park\(kinesisSink\(/,
    ],
    ['park of a text', parked('parked'), 'park.sink', /got 'parked': a sink is fileSink\(\{ path: … \}\), kinesisSink/],
    ['park of nothing', parked(undefined), 'park.sink', /got undefined: a sink is fileSink\(/],
    ['park of fileSink', parked(fileSink), 'park.sink', /got the function fileSink itself: write park\(fileSink\(/],
    ['park of park', parked(park), 'park.sink', /got the function park itself: write park\(fileSink\(/],
    ['park of retry uncalled', parked(retry), 'park.sink', /got the function retry itself/],
  ];
  for (const [name, act, option, text] of cases)
    it(`refuses ${name}, and says what to write`, () => {
      const refused = refusal(act);
      expect(refused.option).to.equal(option);
      expect(refused.text)
        .to.match(new RegExp(`^${option}: expected `))
        .and.to.match(text);
    });

  it('accepts functions, also with such names', () => {
    const own = { retry: () => 'skip' as const, park: async () => 'skip' as const };
    expect(consumer(own.retry)).not.to.throw();
    expect(consumer(own.park)).not.to.throw();
    expect(park(async () => undefined).type).to.equal('park');
  });
});
