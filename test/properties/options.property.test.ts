// Whatever the values are, resolving options throws nothing but a `KinactError` that names the option.
import { expect } from 'chai';
import fc from 'fast-check';
import { consumerTable } from '../../src/options/consumer-option-table.js';
import { isKinactError } from '../../src/api/errors.js';
import { resolveOptions } from '../../src/options/resolved-options.js';
import { kinesisStreamTable, resolveKinesisStream } from '../../src/options/kinesis-stream-option-table.js';
import { drawnRuns } from '../support/sampled.js';
import { seeded } from '../support/seeded.js';

const garbage = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSparseArray: true,
  withTypedArray: true,
});

/** Values that some option accepts, so that the check gets past the first row. */
const plausible = fc.oneof(
  garbage,
  fc.integer(),
  fc.constantFrom('crash', 'skip', 'by-shard', 'TRIM_HORIZON', 'orders', '', 0, undefined),
  fc.constantFrom<unknown>(() => 1, new Date(), new Date(Number.NaN), console, new URL('file:///x')),
  fc.constant({
    get name(): string {
      throw new Error('a getter that throws');
    },
  }),
  fc.record({ init: fc.constant(() => 0), reduce: fc.constant(() => 0), batch: garbage }, { requiredKeys: [] }),
  fc.record({ name: garbage, application: garbage, open: fc.constant(() => 0), openLeases: fc.constant(() => 0) }),
);

const optionsOf = (names: readonly string[]): fc.Arbitrary<unknown> =>
  fc.oneof(
    garbage,
    fc.dictionary(
      fc.oneof({ arbitrary: fc.constantFrom(...names), weight: 9 }, { arbitrary: fc.string(), weight: 1 }),
      plausible,
    ),
    fc.record(Object.fromEntries(names.map((name) => [name, plausible])), { requiredKeys: [] }),
  );

/** True if the options resolve, false if a `KinactError` refuses them. Any other error is thrown again. */
function resolves(resolve: () => unknown): boolean {
  try {
    resolve();
    return true;
  } catch (error) {
    if (!isKinactError(error)) throw error;
    expect(error.code).to.equal('INVALID_OPTION');
    expect(error.data.option).to.be.a('string').and.not.equal('');
    return false;
  }
}

describe('any options', () => {
  it('resolve, or are refused by a KinactError that names the option, and throw nothing else', () => {
    fc.assert(
      fc.property(optionsOf(Object.keys(consumerTable)), (options) => {
        if (resolves(() => resolveOptions(options))) expect(Object.isFrozen(resolveOptions(options))).to.equal(true);
      }),
      seeded(drawnRuns(4_000)),
    );
  });

  it('resolve or are refused in the same way with one random member among good ones', () => {
    const good = {
      application: 'totals',
      source: { name: 'orders', initialPosition: 'LATEST', open: () => 0, openLeases: () => 0 },
      reducer: { init: () => 0, reduce: () => 0 },
    };
    expect(resolves(() => resolveOptions(good))).to.equal(true);
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(consumerTable)), plausible, (name, value) => {
        resolves(() => resolveOptions({ ...good, [name]: value }));
      }),
      seeded(drawnRuns(4_000)),
    );
  });

  it('resolve or are refused in the same way for a Kinesis stream', () => {
    fc.assert(
      fc.property(optionsOf(Object.keys(kinesisStreamTable)), (options) => {
        resolves(() => resolveKinesisStream(options as never));
      }),
      seeded(drawnRuns(4_000)),
    );
  });
});
