// In kflow each message carries one number: up to it, everything is processed. An output of one route, or of a chained aggregate, then
// committed messages that another state still held, and after a crash they were lost (docs/seeds.md, O2 and O3). Here an output settles
// what it stands for, and nothing else (I71).
import { expect } from 'chai';
import { aggregate } from '../../src/pipes/aggregate.js';
import { demux, join } from '../../src/pipes/routes.js';
import { sink } from '../../src/pipes/single-nodes.js';
import { nodeChain } from '../support/node-chain.js';

const byLetter = demux<string>((value) => value.charAt(0));

describe('an output of a pipe', () => {
  it('settles nothing of another route that is flushed behind it, and whose output fails', async () => {
    const failing = sink<readonly string[]>((values) => {
      if (values.includes('a2')) throw new Error('a cannot be written');
    });
    const chain = await nodeChain([byLetter, aggregate<string>({ count: 10 }), failing]);
    await chain.feed('b1', 'a2', 'a3', 'b4');
    await chain.flush();
    expect(chain.settled()).to.deep.equal(['1:1', '1:4']);
  });

  it('settles nothing that an earlier aggregate of the chain still holds', async () => {
    const chain = await nodeChain([
      byLetter,
      aggregate<string>({ count: 2 }),
      join<readonly string[]>(),
      aggregate<readonly string[]>({ count: 1 }),
    ]);
    await chain.feed('a1', 'b2', 'b3');
    expect(chain.settled()).to.deep.equal(['1:2', '1:3']);
    await chain.flush();
    expect(chain.settled()).to.deep.equal(['1:2', '1:3', '1:1']);
  });
});
