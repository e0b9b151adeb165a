// What the cluster simulation found in nodes: a deadline that was watched too late, values of ended tenures in what a state gives out, and
// states that were ended twice or never.
import assert from 'node:assert/strict';
import type { AnyNode, PipeMessage } from '../../../src/api/pipe.js';
import { gate } from '../../support/gate.js';
import { nodeChain } from '../../support/node-chain.js';

describe('the signal of a call', () => {
  it('aborts after timeoutMs, also in the call after one that was late', async () => {
    const log: string[] = [];
    let now = (): number => 0;
    const late = gate();
    const node: AnyNode = {
      timeoutMs: 100,
      handleMessage: async (_, message, { signal }) => {
        const since = now();
        signal.addEventListener('abort', () => log.push(`${String(message.value)} after ${now() - since} ms`));
        await (message.value === 'late' ? late.opened : new Promise(() => {}));
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([node]);
    now = () => chain.harness.clock.now();
    await chain.feed('late');
    await chain.harness.advance(150);
    await chain.feed('next');
    late.open();
    await chain.harness.settle();
    await chain.harness.advance(150);
    assert.deepEqual(log, ['late after 100 ms', 'next after 100 ms']);
  });
});

/** Keeps messages until its timer or a flush, and loses those of ended leases. */
function keeping(given: unknown[][]): AnyNode {
  const all = (kept: readonly PipeMessage[]) => {
    given.push(kept.map(({ value }) => value));
    return { state: [], drop: kept };
  };
  return {
    init: (): readonly PipeMessage[] => [],
    handleMessage: (kept: readonly PipeMessage[], message) => ({
      state: [...kept, message],
      keep: [message],
      timerMs: 200,
    }),
    handleTimer: all,
    handleFlush: all,
    handleLost: (kept: readonly PipeMessage[], { messages }) => kept.filter((each) => !messages.includes(each)),
  };
}

describe('a message', () => {
  it('whose tenure ends while init makes the state of its route is not handed out', async () => {
    const handled: unknown[] = [];
    const { open, opened } = gate();
    const route: AnyNode = {
      handleMessage: (_, message) => ({ outputs: [{ value: message.value, of: [message], route: { add: 'a' } }] }),
    };
    const node: AnyNode = {
      init: async ({ route: head }) => {
        if (head !== undefined) await opened;
      },
      handleMessage: (_, message) => {
        handled.push(message.value);
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([route, node]);
    await chain.feedOf(1, 'lost');
    await chain.feedOf(2, 'live');
    await chain.lose(1);
    open();
    await chain.harness.settle();
    assert.deepEqual(handled, ['live']);
  });
});

describe('what a state gives out', () => {
  for (const how of ['by its timer', 'in a flush']) {
    it(`${how} has nothing of a tenure whose time is over, though nobody has said so yet`, async () => {
      const given: unknown[][] = [];
      const chain = await nodeChain([keeping(given)]);
      await chain.feedOf(1, 'lost');
      await chain.feedOf(2, 'live');
      Object.assign(chain.tenures[1] as object, { deadline: chain.harness.clock.now() + 100 });
      await chain.harness.advance(150);
      if (how === 'in a flush') await chain.flush();
      else await chain.harness.advance(100);
      assert.deepEqual(given, [['live']]);
      assert.deepEqual(chain.settled(), ['2:2']);
    });
  }
});

describe('a state', () => {
  const counted = (log: string[], more: Partial<AnyNode>): AnyNode => {
    let made = 0;
    return {
      init: () => {
        made += 1;
        log.push(`init ${made}`);
        return made;
      },
      handleMessage: (_: number, message) => ({ keep: [message] }),
      terminate: (state: number) => void log.push(`terminate ${state}`),
      ...more,
    };
  };

  it('is ended before the one that follows it after a flush was skipped', async () => {
    const log: string[] = [];
    const flush = (): never => {
      throw new Error('it cannot be flushed');
    };
    const chain = await nodeChain([counted(log, { handleFlush: flush })], { onFailure: 'skip' });
    await chain.feed('1');
    await chain.flush();
    assert.deepEqual(log, ['init 1', 'terminate 1']);
    assert.deepEqual(chain.settled(), ['1:1']);
    await chain.feed('2');
    assert.deepEqual(log, ['init 1', 'terminate 1', 'init 2']);
  });

  it('is not ended again by a crash while its terminate runs', async () => {
    const log: string[] = [];
    const terminate = (state: number): Promise<void> => {
      log.push(`terminate ${state}`);
      return new Promise(() => {});
    };
    const flush = (): never => {
      throw new Error('it cannot be flushed');
    };
    const chain = await nodeChain([counted(log, { handleFlush: flush, terminate })], { onFailure: 'skip' });
    await chain.feed('1');
    await chain.flush();
    await chain.harness.kill(chain.refs[0] as never);
    assert.deepEqual(log, ['init 1', 'terminate 1']);
  });
});
