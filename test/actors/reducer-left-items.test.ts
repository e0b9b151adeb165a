// A reducer notes for the report of a stop what waits in it: when the worker ends, and when the reducer itself is stopped first.
import { expect } from 'chai';
import { createLeftItems } from '../../actors/protocol/left-items.js';
import { retry } from '../../src/options/retry-policy.js';
import { direct } from '../support/direct-reducer.js';

const keys = (left: ReturnType<typeof createLeftItems>): string[] =>
  [...left.noted.values()].map(({ key, attempts, error }) => `${key} ${attempts} ${error}`);

describe('what a reducer notes for the report of a stop', () => {
  const failing = async (left: ReturnType<typeof createLeftItems>) => {
    const reduce = (): never => {
      throw new Error('no');
    };
    const on = direct({ reduce }, { onFailure: retry(), left });
    await on.end(
      on.itemsOf([
        ['a', 0],
        ['a', 1],
      ]),
    );
    return on;
  };

  it('is nothing before a stop has begun', async () => {
    const left = createLeftItems();
    const on = await failing(left);
    on.revoked(1);
    expect(keys(left)).to.deep.equal([]);
  });

  it('is what waits of the worker that ends, each item once', async () => {
    const left = createLeftItems();
    const on = await failing(left);
    left.isStopping = true;
    on.revoked(2);
    expect(keys(left)).to.deep.equal([]);
    on.revoked(1);
    on.stop();
    expect(keys(left)).to.deep.equal(['a 1 no', 'a 0 no']);
  });

  it('is what still waits when the reducer is stopped', async () => {
    const left = createLeftItems();
    const on = await failing(left);
    left.isStopping = true;
    on.stop();
    expect(keys(left)).to.have.length(2);
  });
});
