// The rest of a pipe, fed with one value and its route: what a replay of a parked message does.
import { expect } from 'chai';
import { openNodes, type OpenNodesOptions } from '../../../src/consumer/open-nodes.js';
import { hostEnvironment } from '../../../src/consumer/host-environment.js';
import { pipe } from '../../../src/pipes/pipe.js';

const options: OpenNodesOptions = {
  name: 'replay',
  onFailure: 'crash',
  callDeadlineMs: 1_000,
  environment: hostEnvironment,
  emit: () => undefined,
  isReplay: true,
};

describe('the rest of a pipe', () => {
  it('is fed at its first node, with the route that the message had, and is done with all that it becomes', async () => {
    const seen: unknown[] = [];
    const { nodes } = pipe<readonly number[]>()
      .demux(() => 'tenant')
      .demux(() => 'customer')
      .unfold((values, { item }) => {
        seen.push([item?.replayed, item?.key]);
        return values;
      })
      .aggregate({ count: 10, intervalMs: 60_000 }, (values, { node, route }) => ({ values, node, route }))
      .join()
      .map((batch, { route }) => ({ ...batch, outer: route }))
      .join()
      .to((value, { route }) => void seen.push(value, route));
    const opened = await openNodes(nodes.slice(2), { ...options, firstNode: 2 });
    await opened.feed([{ value: [1, 2, 3], key: 'k', heads: ['tenant-1', 'customer-7'] }]);
    expect(opened.settled).to.equal(-1);
    const ending = await opened.notifyUpstreamFailure(10_000);
    expect(ending).to.deep.equal({ reason: 'upstreamFailure', firstOpen: 1, open: 0, orphans: [] });
    const batch = { values: [1, 2, 3], node: 'aggregate/3', route: 'customer-7', outer: 'tenant-1' };
    expect(seen).to.deep.equal([[true, 'k'], batch, undefined]);
  });

  it('names the node of the whole pipe that has failed, and leaves the message open', async () => {
    const { nodes } = pipe<number>()
      .map((n) => n)
      .to(() => {
        throw new Error('store down');
      });
    const opened = await openNodes(nodes.slice(1), { ...options, firstNode: 1 });
    await opened.feed([{ value: 1, key: '', heads: [] }]).catch(() => undefined);
    const { reason, error, open } = await opened.ended;
    expect({ reason, open }).to.deep.equal({ reason: 'crash', open: 1 });
    expect(error?.message).to.include('node failed for record 0 of replay').and.to.include('store down');
  });
});
