// Answers that come late: about a source that has failed in the meantime, or about a lease of an earlier incarnation. The functions are
// called directly, with the members of a turn that they may look at.
import { expect } from 'chai';
import type { Effect } from '../../../actors/protocol/actor.js';
import { parentsReadFailed } from '../../../actors/lease-coordinator/leases/parents.js';
import type { LeaseCoordinatorMessage } from '../../../actors/lease-coordinator/messages.js';
import { joinOverdue } from '../../../actors/lease-coordinator/sources/added-source.js';
import { failSource, orderRelease } from '../../../actors/lease-coordinator/sources/source-failure.js';
import { streamOpened } from '../../../actors/lease-coordinator/sources/start.js';
import type { Lease, Stream } from '../../../actors/lease-coordinator/state.js';
import { syncFailed } from '../../../actors/lease-coordinator/streams/shard-sync.js';
import type { CoordinatorTurn } from '../../../actors/lease-coordinator/turn.js';
import { noteEndProven } from '../../../actors/lease-coordinator/unread/unread-since.js';
import { KinactError } from '../../../src/api/errors.js';
import { ofType, ref } from '../../support/direct.js';

const first = new KinactError('AWS_ERROR', 'first', { retryable: false });
const second = new KinactError('AWS_ERROR', 'second', { retryable: false });

/** A coordinator with one source. Whatever else a function looks at is missing, and throws. */
function withSource(failure?: KinactError) {
  const stream = {
    index: 0,
    history: { failure },
    leaving: undefined as Stream['leaving'],
    joining: [1],
    opened: false,
    sync: { running: true },
  };
  const effects: Effect<LeaseCoordinatorMessage>[] = [];
  const turn = {
    ...{ effects, now: 1_000, options: { callDeadlineMs: 30_000 } },
    state: { streams: [stream], leases: new Map(), unread: new Map() },
  } as unknown as CoordinatorTurn;
  return { turn, effects, stream: stream as unknown as Stream & typeof stream };
}

describe('a source that has failed', () => {
  it('stays failed with its first error, and is reported once', () => {
    const { turn, effects, stream } = withSource(first);
    failSource(turn, stream, second);
    expect([stream.history.failure, effects]).to.deep.equal([first, []]);
  });

  it('is not opened, synced or joined by an answer that comes later', () => {
    const { turn, effects, stream } = withSource(first);
    streamOpened(turn, { type: 'streamOpened', stream: 0, description: {} as never });
    joinOverdue(turn, { type: 'joinOverdue', stream: 0 });
    syncFailed(turn, { type: 'syncFailed', stream: 0, error: second });
    expect(effects).to.deep.equal([]);
    expect(stream).to.deep.include({ opened: false, joining: [1], sync: { running: false } });
  });
});

describe('a lease of a source that ends', () => {
  const keeper = ref('lease-keeper/s#1');
  const leaseOf = (stream: Stream, of?: typeof keeper) => ({ keeper: of, stream }) as unknown as Lease;

  it('is given back with the reason and the time of its source', () => {
    const { turn, effects, stream } = withSource(first);
    orderRelease(turn, leaseOf(stream, keeper));
    stream.leaving = { deadlineAt: 6_000 } as NonNullable<Stream['leaving']>;
    stream.history.failure = undefined as never;
    orderRelease(turn, leaseOf(stream, keeper));
    expect(ofType(effects, 'send').map(({ message }) => message)).to.deep.equal([
      { type: 'release', reason: 'its source has failed: AWS_ERROR', deadlineMs: 30_000 },
      { type: 'release', reason: 'its source is being removed', deadlineMs: 5_000 },
    ]);
  });

  it('needs no order while its keeper does not run yet', () => {
    const { turn, effects, stream } = withSource(first);
    orderRelease(turn, leaseOf(stream));
    expect(effects).to.deep.equal([]);
  });
});

describe('an answer about a lease', () => {
  it('changes nothing if it is about an earlier incarnation', () => {
    const { turn, effects } = withSource();
    const lease = { incarnation: 2, readingParents: true };
    turn.state.leases.set('s', lease as unknown as Lease);
    parentsReadFailed(turn, { type: 'parentsReadFailed', leaseKey: 's', incarnation: 1, error: second });
    expect([lease.readingParents, effects]).to.deep.equal([true, []]);
  });

  it('that proves the end of a shard begins the time for which its children wait, if nothing was unread before', () => {
    const { turn } = withSource();
    noteEndProven(turn, 's', true);
    expect(turn.state.unread.get('s')).to.deep.include({ since: 1_000, endIsProven: true });
    noteEndProven(turn, 's', false);
    expect(turn.state.unread.has('s')).to.equal(false);
  });
});
