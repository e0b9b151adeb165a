// What the shard worker supervisor's `receive` returns, message by message. shard-worker-supervisor.test.ts has a runtime and stub workers.
import { expect } from 'chai';
import type { Behaviour } from '../../../actors/protocol/actor.js';
import type { HeldLease } from '../../../actors/protocol/lease-messages.js';
import {
  shardWorkerSupervisor,
  type ShardWorkerSupervisorMessage,
} from '../../../actors/shard-worker-supervisor/shard-worker-supervisor.js';
import { ofType, ref, stepped } from '../../support/direct.js';

const lease: HeldLease = {
  ...{ leaseKey: 's', shardId: 's', source: 'orders', startable: true },
  keeper: ref('lease-keeper/s#1'),
};

function direct() {
  const shardWorker = { kind: 'stub' } as unknown as Behaviour<never, never>;
  let known: Behaviour<never, never> | undefined = shardWorker;
  const behaviour = shardWorkerSupervisor({ coordinators: () => [], makeShardWorker: () => known, againMs: 1_000 });
  const { tell, status } = stepped(behaviour, ref<ShardWorkerSupervisorMessage>('shard-worker-supervisor#2'));
  return {
    tell,
    status,
    sourceRemoved: (isRemoved: boolean) => void (known = isRemoved ? undefined : shardWorker),
    held: (version: number) => ofType(tell({ type: 'held', table: 'app', version, leases: [lease] }), 'spawn'),
  };
}

describe('the shard worker supervisor, message by message', () => {
  it('starts no shard worker for a source that was removed, and one if it comes back', () => {
    const { held, sourceRemoved, status } = direct();
    sourceRemoved(true);
    expect(held(1)).to.deep.equal([]);
    expect(status()).to.deep.equal({ shardWorkers: 0 });
    sourceRemoved(false);
    expect(held(2)).to.have.length(1);
    expect(status()).to.deep.equal({ shardWorkers: 1 });
  });

  it('does nothing for the end of a shard worker that it does not know', () => {
    const { tell } = direct();
    expect(tell({ type: 'ended', name: 'app/s', how: { reason: 'normal', orphans: [] } })).to.deep.equal([]);
  });

  it('crashes with a shard worker, whatever that crashed with', () => {
    const { tell, held } = direct();
    held(1);
    const crashed = (error?: Error) =>
      ofType(
        tell({
          type: 'ended',
          name: 'app/s',
          how: { reason: 'crash', orphans: [], ...(error === undefined ? {} : { error }) },
        }),
        'fail',
      ).map((failure) => failure.error);
    const error = new Error('no');
    expect(crashed(error)).to.deep.equal([error]);
    expect(crashed()[0]).to.include({ code: 'BROKEN_INVARIANT' });
  });
});
