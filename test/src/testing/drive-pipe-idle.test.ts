// A route that keeps nothing and gets nothing ends, whatever its state has done before.
import { expect } from 'chai';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import type { Holding, NodeDefinition } from '../../../src/api/pipe.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { drivePipe, type PipeDriver } from '../../../src/testing/index.js';
import { gate } from '../../support/gate.js';

const itemsOf = (...values: readonly string[]) => values.map((value) => ({ key: 'k', value }));

/** The node on the route of all values. It ends after a minute. */
function routed<State>(node: NodeDefinition<State, string, string>) {
  const ended: unknown[] = [];
  const counted = defineNode<State, string, string>({
    ...node,
    routeIdleMs: 60_000,
    terminate: (_, { route }) => void ended.push(route),
  });
  const nodes = pipe<string>()
    .demux(() => 'r')
    .node(counted);
  const driven = drivePipe(nodes.join().end(), { onFailure: 'skip', callDeadlineMs: 300_000 });
  return { driven, ended };
}

async function minutes(driven: PipeDriver, count: number): Promise<void> {
  for (let minute = 0; minute < count; minute += 1) await driven.advance(60_000);
}

describe('an idle route ends', () => {
  it('though it was used while its end waited', async () => {
    const { open, opened } = gate();
    const { driven, ended } = routed({
      handleMessage: async (_, message) => {
        if (message.value === 'slow') await opened;
        return { outputs: [{ value: message.value, of: [message] }] };
      },
    });
    await driven.items(itemsOf('a'));
    await driven.advance(50_000);
    const slow = driven.items(itemsOf('slow'));
    await new Promise(setImmediate);
    await driven.advance(20_000);
    open();
    await slow;
    await minutes(driven, 2);
    expect([ended, driven.settled.length]).to.deep.equal([['r'], 2]);
  });

  it('though all that it kept has failed with its message', async () => {
    const { driven, ended } = routed<Holding>({
      init: () => createHolding(),
      handleMessage: (held, message) => {
        if (message.value !== 'end') return { keep: [{ message, in: held }] };
        throw new NodeFailure(new Error('no'), { of: [held, message], state: createHolding() });
      },
    });
    await driven.items(itemsOf('a', 'b'));
    await driven.advance(61_000);
    await driven.items(itemsOf('end'));
    await minutes(driven, 2);
    expect([ended, driven.settled.length]).to.deep.equal([['r'], 3]);
  });
});
