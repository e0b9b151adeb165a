// What must be synchronous, and returns a promise: it is refused for good, and a rejection that nobody waits for does not end the process.
import { expect } from 'chai';
import { NonRetryableError } from '../../../src/api/failure-policy.js';
import type { AnyNode } from '../../../src/api/pipe.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { assembleChunks } from '../../../src/pipes/assemble-chunks.js';
import type { Aggregation } from '../../../src/pipes/folded-parts.js';
import { routeDependent } from '../../../src/pipes/route-dependent.js';
import { demux } from '../../../src/pipes/routes.js';
import { itemsOf, lease } from '../../support/naive-items.js';
import { naivePipe } from '../../support/naive-pipe.js';

const later = (): never => Promise.reject(new Error('nobody waits for it')) as never;

const folding: Aggregation<number[], unknown, unknown> = {
  init: () => [],
  push: (state, value) => (state.push(Number(value)), 'keep'),
  output: (state) => state,
};
const folded = (more: Partial<Aggregation<number[], unknown, unknown>>): AnyNode =>
  aggregate({ intervalMs: 50 }, { ...folding, ...more }) as AnyNode;

const nodes: Record<string, readonly AnyNode[]> = {
  'demux: the route': [demux(later) as AnyNode],
  'aggregate: init': [folded({ init: later })],
  'aggregate: push': [folded({ push: later })],
  'aggregate: merge': [folded({ merge: later })],
  'assembleChunks: a chunk': [assembleChunks({ chunk: later, maxAgeMs: 50, concat: () => 1 }) as AnyNode],
  'got a promise': [demux(() => 'r') as AnyNode, routeDependent(later) as AnyNode],
};

describe('what must be synchronous', () => {
  for (const [text, chain] of Object.entries(nodes))
    it(`refuses a promise for good: ${text}`, async () => {
      const errors: Error[] = [];
      const rejected: unknown[] = [];
      const note = (reason: unknown): void => void rejected.push(reason);
      process.on('unhandledRejection', note);
      const pipe = await naivePipe(chain, {
        onFailure: (error, attempt) => {
          errors.push(error as Error);
          return attempt < 2 && !(error instanceof NonRetryableError) ? 'retry' : 'skip';
        },
      });
      pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: lease('other') }));
      await pipe.run();
      pipe.flush();
      await pipe.run();
      // A rejection without a handler is reported when the microtasks are over.
      await new Promise((resolve) => setImmediate(resolve));
      process.off('unhandledRejection', note);
      expect(rejected).to.deep.equal([]);
      expect(errors[0]?.message).to.contain(text);
      expect(errors[0]?.message).to.contain('got a promise');
    });
});
