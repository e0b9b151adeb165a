// What the end of an open pipe says: the calls that did not end, the feeds that had no turn, and an exit that was asked for.
import { expect } from 'chai';
import { openPipe } from '../../../src/consumer/open-pipe.js';
import { isKinactError } from '../../../src/api/errors.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { openedPipe } from '../../support/opened-pipe.js';

const never = (): Promise<never> => new Promise(() => {});

const exitingAt = (last: number) =>
  defineNode<unknown, number, number>({
    handleMessage: (_, message) => ({ drop: [message], exit: message.value === last }),
  });

describe('the ending of an open pipe', () => {
  it('names the call that hangs when the pipe has crashed, as a stop does', async () => {
    const nodes = pipe<number>()
      .map(() => never(), { name: 'hang', timeoutMs: 100 })
      .to(() => undefined);
    const { opened, feed, advance } = await openedPipe(nodes);
    const told: string[] = [];
    opened.on('orphaned', ({ actor, effects }) => told.push(...effects.map((effect) => `${actor}: ${effect}`)));
    await feed(1);
    await advance(1_100);
    await advance(1_000);
    const { reason, orphans } = await opened.ended;
    expect(reason).to.equal('crash');
    expect(told).to.have.length(1);
    expect(orphans).to.deep.equal(told);
  });

  it('names each call that hangs once, also if nodes end at different times', async () => {
    const nodes = pipe<number>()
      .map((n) => (n === 1 ? n : never()), { name: 'first' })
      .map(() => never(), { name: 'second', timeoutMs: 100 })
      .to(() => undefined);
    const { opened, feed, advance } = await openedPipe(nodes);
    await feed(1);
    await feed(2);
    await advance(1_100);
    await advance(2_000);
    const { orphans } = await opened.ended;
    expect(orphans.map((orphan) => /(first|second)/.exec(orphan)?.[0]).toSorted()).to.deep.equal(['first', 'second']);
  });

  it('says of a feed that had no turn that it was not fed, and of the one before it that nobody knows', async () => {
    const { opened, rest, advance } = await openedPipe(pipe<string>().to(never));
    const outcomes: Record<string, unknown> = {};
    const noted = (name: string, call: Promise<unknown>): void =>
      void call.catch((error: unknown) => {
        if (isKinactError(error)) outcomes[name] = [error.code, error.data.outcomeUnknown, error.message];
      });
    for (const value of ['x', 'y', 'z']) noted(value, opened.feed(value));
    noted('flush', opened.flush());
    await rest();
    const ending = opened.finish({ deadlineMs: 50 });
    await advance(50);
    await advance(1_000);
    const { reason, error, open } = await ending;
    expect({ reason, open }).to.deep.equal({ reason: 'upstreamFailure', open: 1 });
    noted('late', opened.feed('late'));
    await rest();
    const unfed = ['PIPE_TIMEOUT', false, `the call had no turn, and nothing of it was fed: ${error?.message}`];
    expect(outcomes).to.deep.equal({
      x: ['PIPE_TIMEOUT', true, error?.message],
      ...{ y: unfed, z: unfed, flush: unfed, late: unfed },
    });
  });

  it('is no crash if a callback has asked for it: no event says so, and its message was fed', async () => {
    const { opened, feed, log } = await openedPipe(
      pipe<number>()
        .node(exitingAt(2))
        .to(() => undefined),
    );
    opened.on('actorCrashed', ({ actor }) => log.push(`crashed: ${actor}`));
    await feed(1);
    await feed(2);
    expect((await opened.ended).reason).to.equal('exit');
    expect(log).to.deep.equal(['fed 1 as 0', 'fed 2 as 1']);
  });

  it('rejects a feed of which the message behind the last one was not processed', async () => {
    const { opened, rest } = await openedPipe(
      pipe<number>()
        .node(exitingAt(1))
        .to(() => undefined),
    );
    const log: string[] = [];
    const noted = (what: string, call: Promise<unknown>): void =>
      void call.then(
        () => log.push(`${what} fed`),
        (error: Error) => log.push(`${what}: ${isKinactError(error) ? error.code : error.message}`),
      );
    noted('1 and 2', opened.feedAll([1, 2]));
    noted('3', opened.feed(3));
    await rest();
    const { reason, open } = await opened.ended;
    expect({ reason, open }).to.deep.equal({ reason: 'exit', open: 1 });
    expect(log).to.have.members(['1 and 2: PIPE_EXITED', '3: PIPE_EXITED']);
  });

  it('still is a crash event if a node fails', async () => {
    const { opened, feed } = await openedPipe(
      pipe<number>().to(() => {
        throw new Error('store down');
      }),
    );
    const crashed: string[] = [];
    opened.on('actorCrashed', ({ actor }) => crashed.push(actor));
    await feed(1);
    expect((await opened.ended).reason).to.equal('crash');
    expect(crashed).to.have.length(1);
  });

  it('counts no messages to actors that had stopped, if the pipe has drained', async () => {
    const { opened, feed } = await openedPipe(
      pipe<number>()
        .map((n) => n + 1)
        .aggregate({ count: 2 })
        .to(() => undefined),
    );
    for (const n of [1, 2, 3]) await feed(n);
    await opened.finish();
    expect(opened.status().counters).not.to.have.property('deadLetter');
  });
});

describe('a policy that openPipe does not know', () => {
  it('is refused with the policies that openPipe has', async () => {
    const nodes = pipe<number>().to(() => undefined);
    const error: unknown = await openPipe(nodes, { onFailure: 'retry' as never }).catch((thrown: unknown) => thrown);
    expect(String(error)).to.match(/onFailure: expected retry\(\), .*'crash', 'skip' or a function, got/);
    expect(String(error)).not.to.include('stopShard');
  });
});
