// The states of a node: one per route, made and ended once each, with timers, deadlines, and results that are refused.
import assert from 'node:assert/strict';
import type { NodeRequest } from '../../../actors/protocol/pipe-messages.js';
import type { AnyNode, NodeDefinition, NodeResult, PipeMessage } from '../../../src/api/pipe.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { retry } from '../../../src/options/retry-policy.js';
import { gate } from '../../support/gate.js';
import { demuxed, keeping } from '../../support/logging-nodes.js';
import { nodeChain, type NodeChain } from '../../support/node-chain.js';

const join: AnyNode = {
  name: 'join',
  handleMessage: (_, message) => ({ outputs: [{ value: message.value, of: [message], route: 'remove' }] }),
};

function ending(log: unknown[]): AnyNode {
  return {
    name: 'sink',
    handleMessage: (_, message) => {
      log.push(`${message.route ?? '-'}: ${String(message.value)}`);
      return { drop: [message] };
    },
  };
}

describe('the states of a node', () => {
  it('are one per route, made at the first message of the route', async () => {
    const [log, values]: [string[], string[]] = [[], []];
    const chain = await nodeChain([demuxed, keeping(log), join, ending(values)]);
    await chain.feed('a1', 'b1', 'a2');
    assert.deepEqual(log, ['init -', 'init a', 'init b']);
    assert.equal(chain.status()[1]?.routes, 2);
    await chain.flush();
    assert.deepEqual(values, ['-: a1,a2', '-: b1']);
    assert.deepEqual(chain.settled(), ['1:1', '1:3', '1:2']);
  });

  it('are each ended once when the pipe ends', async () => {
    const [log, values]: [string[], string[]] = [[], []];
    const chain = await nodeChain([demuxed, keeping(log), ending(values)]);
    await chain.feed('a1', 'b1');
    await chain.end();
    assert.deepEqual(log, ['init -', 'init a', 'init b', 'terminate - 0', 'terminate a 0', 'terminate b 0']);
    assert.deepEqual(values, ['a: a1', 'b: b1']);
  });

  it('are each ended once when the actor crashes, also one that init is making', async () => {
    const log: string[] = [];
    const { open, opened } = gate();
    const init: NodeDefinition['init'] = async ({ route }) => {
      log.push(`init ${route ?? '-'}`);
      if (route === 'b') await opened;
      return [];
    };
    const chain = await nodeChain([demuxed, keeping(log, { init: init as never })]);
    await chain.feed('a1', 'b1');
    const { behaviour, state } = chain.harness.insideOf(chain.refs[1] as never);
    behaviour.stopped?.(state, 'crash');
    open();
    await chain.harness.settle();
    assert.deepEqual(log, ['init -', 'init a', 'init b', 'terminate - 0', 'terminate a 1', 'terminate b 0']);
  });

  it('end with their route when it is idle and holds nothing', async () => {
    const log: string[] = [];
    const chain = await nodeChain([demuxed, keeping(log, { routeIdleMs: 1_000 }), join]);
    await chain.feed('a1');
    await chain.harness.advance(5_000);
    assert.deepEqual(log, ['init -', 'init a']);
    await chain.flush();
    await chain.harness.advance(900);
    assert.deepEqual(log, ['init -', 'init a']);
    await chain.harness.advance(300);
    assert.deepEqual(log, ['init -', 'init a', 'terminate a 0']);
    assert.equal(chain.status()[1]?.routes, 0);
  });

  it('are at most maxRoutes: the least recently used one is flushed and ended', async () => {
    const [log, values]: [string[], string[]] = [[], []];
    const chain = await nodeChain([demuxed, keeping(log, { maxRoutes: 2 }), ending(values)]);
    await chain.feed('a1', 'b1', 'a2', 'c1');
    assert.deepEqual(log, ['init -', 'init a', 'init b', 'terminate b 0', 'init c']);
    assert.deepEqual(values, ['b: b1']);
  });

  it('are called when their timers are due, and a timer can be cleared', async () => {
    const values: string[] = [];
    const node: NodeDefinition<PipeMessage[], string, string> = {
      init: () => [],
      handleMessage: (kept, message) => ({
        state: [...kept, message],
        keep: [message],
        timerMs: message.value === 'stop' ? null : 500,
      }),
      handleTimer: (kept) => ({ state: [], outputs: [{ value: kept.map(({ value }) => value).join(), of: kept }] }),
    };
    const chain = await nodeChain([node, ending(values)]);
    await chain.feed('1', '2');
    await chain.harness.advance(499);
    assert.deepEqual(values, []);
    await chain.harness.advance(20);
    assert.deepEqual(values, ['-: 1,2']);
    await chain.feed('3', 'stop');
    await chain.harness.advance(5_000);
    assert.deepEqual(values, ['-: 1,2']);
    assert.equal(chain.status()[0]?.oldest?.sequenceNumber, '3');
  });
});

describe('a state that is forgotten', () => {
  it('is ended, and the next message gets a new one', async () => {
    const log: string[] = [];
    const node = keeping(log, {
      handleMessage: (_, message) => ({ drop: [message], forget: message.value !== 'a1' }),
    });
    const chain = await nodeChain([demuxed, node]);
    await chain.feed('a1', 'a2', 'a3');
    assert.deepEqual(log, ['init -', 'init a', 'terminate a 0', 'init a', 'terminate a 0']);
  });
});

describe('a NodeFailure', () => {
  /** Writes two values at a time, and never a `b`. */
  const writing = (writes: string[][]): AnyNode => {
    const node: NodeDefinition<PipeMessage<string>[], string, string> = {
      init: () => [],
      handleMessage: (kept, message) => {
        const batch = [...kept, message];
        if (batch.length < 2) return { state: batch, keep: [message] };
        if (batch.some(({ value }) => value === 'b'))
          throw new NodeFailure(new Error('refused'), { of: batch, state: [] });
        writes.push(batch.map(({ value }) => value));
        return { state: [], drop: batch };
      },
      handleFlush: (kept) => {
        if (kept.some(({ value }) => value === 'b'))
          throw new NodeFailure(new Error('refused'), { of: kept, state: [] });
        if (kept.length > 0) writes.push(kept.map(({ value }) => value));
        return { state: [], drop: kept };
      },
    };
    return node as AnyNode;
  };

  it('under skip settles all that it names, and goes on with its state', async () => {
    const writes: string[][] = [];
    const chain = await nodeChain([writing(writes)], { onFailure: 'skip' });
    await chain.feed('a', 'b', 'c', 'd');
    assert.deepEqual(writes, [['c', 'd']]);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3', '1:4']);
    await chain.feed('b');
    assert.equal(await chain.flush(), true);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3', '1:4', '1:5']);
    assert.equal(chain.harness.counts.get('skippedItems'), 3);
  });

  it('under retry is called again with the old state, and its cause is what the policy sees', async () => {
    const writes: string[][] = [];
    const causes: string[] = [];
    const onFailure = (error: unknown, { items }: { readonly items: number }, attempt: number) => {
      causes.push(`${(error as Error).message} ${items} ${attempt}`);
      return attempt < 3 ? retry({ minMs: 10, maxMs: 10 }) : ('skip' as const);
    };
    const chain = await nodeChain([writing(writes)], { onFailure });
    await chain.feed('a', 'b');
    await chain.harness.advance(1_000);
    assert.deepEqual(causes, ['refused 2 1', 'refused 2 2', 'refused 2 3']);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
  });

  it('whose leases have all ended is no failure: the call is repeated without them', async () => {
    const writes: string[][] = [];
    let asked = 0;
    const node = writing(writes);
    const lossy: AnyNode = {
      ...node,
      handleMessage: (state, message, context) => {
        if (message.value === 'b') (chain.tenures[1] as { ended: boolean }).ended = true;
        return node.handleMessage(state, message, context);
      },
      handleLost: (kept: PipeMessage[], { messages }) => kept.filter((message) => !messages.includes(message)),
    };
    const chain: NodeChain = await nodeChain([lossy], {
      onFailure: () => {
        asked += 1;
        return 'crash';
      },
    });
    await chain.feedOf(1, 'a', 'b');
    await chain.feedOf(2, 'c', 'd');
    assert.equal(asked, 0);
    assert.deepEqual(writes, [['c', 'd']]);
  });

  it('that names a stranger is a mistake in the code', async () => {
    const seen: string[] = [];
    const node: AnyNode = {
      handleMessage: () => {
        throw new NodeFailure(new Error('x'), { of: [{ ...stranger }], state: 0 });
      },
    };
    const onFailure = (error: unknown) => {
      seen.push((error as Error).message);
      return 'crash' as const;
    };
    const chain = await nodeChain([node], { onFailure });
    await chain.feed('1');
    assert.deepEqual(seen, ['A NodeFailure names nothing, or what is not here.']);
  });
});

const stranger = { value: 1, route: undefined, item: undefined, lease: undefined, leases: [], sizeBytes: 0 };

describe('a call of a node', () => {
  it('has a signal that aborts after timeoutMs; a late success counts', async () => {
    const { open, opened } = gate();
    const log: string[] = [];
    const node: AnyNode = {
      timeoutMs: 100,
      handleMessage: async (_, message, { signal }) => {
        signal.addEventListener('abort', () => log.push((signal.reason as Error).name));
        await opened;
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([node]);
    await chain.feed('1');
    await chain.harness.advance(200);
    assert.deepEqual(log, ['TimeoutError']);
    open();
    await chain.harness.settle();
    assert.deepEqual(chain.settled(), ['1:1']);
    assert.equal(chain.harness.endingOf(chain.refs[0] as never), undefined);
  });

  it('that does not end after its signal has aborted crashes the node', async () => {
    const node: AnyNode = { timeoutMs: 100, handleMessage: () => new Promise<NodeResult>(() => {}) };
    const chain = await nodeChain([node], { answerDeadlineMs: 300 });
    await chain.feed('1');
    await chain.harness.advance(350);
    assert.equal(chain.harness.endingOf(chain.refs[0] as never), undefined);
    await chain.harness.advance(100);
    const { error } = chain.harness.endingOf(chain.refs[0] as never) ?? {};
    assert.match(String(error), /handleMessage of node\/0 for record 1/u);
    // Escalation compares records: an error that names none would look like the same one each time.
    const { data } = error as unknown as {
      readonly data: { readonly sequenceNumber: string; readonly shardId: string };
    };
    assert.equal(`${data.shardId} ${data.sequenceNumber}`, 'shardId-1 1');
    assert.match(String(error?.cause), /TimeoutError/u);
  });

  it('that asks for the exit ends the pipe: what it has emitted and flushed goes through, the rest stays open', async () => {
    const [log, values]: [string[], string[]] = [[], []];
    const node = keeping(log, {
      handleMessage: (kept, message) => ({ state: [...kept, message], keep: [message], exit: message.value === '2' }),
    });
    const chain = await nodeChain([node, ending(values)]);
    await chain.feed('1', '2', '3');
    const last = chain.reports.at(-1);
    assert.equal(last?.type === 'nodeEnds' && last.error === undefined, true);
    await chain.end();
    assert.deepEqual(values, ['-: 1,2']);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
  });

  it('is repeated at once, once, when a drain waits', async () => {
    let attempts = 0;
    const node: AnyNode = {
      handleMessage: (_, message) => {
        attempts += 1;
        if (attempts < 3) throw new Error('not yet');
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([node], { onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) });
    await chain.feed('1');
    const ask = () =>
      chain.harness.ask<NodeRequest, { readonly isWaiting: boolean }>(chain.refs[0] as never, (replyTo) => ({
        type: 'attemptNow',
        replyTo,
      }));
    assert.deepEqual((await ask()).answer, { isWaiting: true });
    assert.equal(attempts, 2);
    assert.deepEqual((await ask()).answer, { isWaiting: false });
    assert.equal(attempts, 3);
    assert.deepEqual((await ask()).answer, { isWaiting: false });
  });

  it('that waits for a message of a lost lease does not wait out its pause', async () => {
    const node: AnyNode = {
      handleMessage: (_, message) => {
        if (message.value === 'bad') throw new Error('bad');
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([node], { onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) });
    await chain.feedOf(1, 'bad');
    const isProcessed = await chain.feedOf(2, 'good');
    assert.equal(isProcessed(), false);
    await chain.lose(1);
    assert.equal(isProcessed(), true);
    assert.deepEqual(chain.settled(), ['2:2']);
  });

  const refused: [string, (message: PipeMessage, old: PipeMessage | undefined) => unknown, RegExp][] = [
    ['is no object', () => 7, /must be an object/u],
    ['has outputs that are no array', () => ({ outputs: {} }), /outputs must be an array/u],
    ['names a message of its own making', () => ({ drop: [stranger] }), /drop\[0\] must be the message of this call/u],
    ['names a copy', (message) => ({ outputs: [{ value: 1, of: [{ ...message }] }] }), /outputs\[0\]\.of/u],
    ['names a message that has been passed on', (message, old) => ({ drop: [message, old] }), /drop\[1\]/u],
    ['drops and emits', (message) => ({ outputs: [{ value: 1, of: [message] }], drop: [message] }), /no other list/u],
    ['keeps twice', (message) => ({ keep: [message, { message, in: createHolding() }] }), /keep\[1\]/u],
    ['names it twice', (message) => ({ outputs: [{ value: 1, of: [message, message] }] }), /each message once/u],
    ['keeps in an object', (message) => ({ keep: [{ message, in: {} }] }), /a holding/u],
    [
      'leaves the main route',
      (message) => ({ outputs: [{ value: 1, of: [message], route: 'remove' }] }),
      /main route/u,
    ],
    [
      'has a wrong route',
      (message) => ({ outputs: [{ value: 1, of: [message], route: { add: 7 } }] }),
      /route must be/u,
    ],
    ['forgets what it keeps', (message) => ({ keep: [message], forget: true }), /forget must be/u],
    ['has a wrong timer', (message) => ({ drop: [message], timerMs: -1 }), /timerMs/u],
    ['has a timer without end', (message) => ({ drop: [message], timerMs: Infinity }), /timerMs must be/u],
    ['has a timer of text', (message) => ({ drop: [message], timerMs: '5' as never }), /timerMs must be/u],
    ['exits by a text', (message) => ({ drop: [message], exit: 'yes' as never }), /exit must be true or false/u],
    ['forgets by a text', (message) => ({ drop: [message], forget: 'yes' as never }), /forget must be true or false/u],
    [
      'exits by a text behind its only output',
      (message) => ({ outputs: [{ value: 1, of: [message] }], exit: 'yes' as never }),
      /exit must be true or false/u,
    ],
    [
      'hides by a text',
      (message) => ({ outputs: [{ value: 1, of: [message], hidden: 'yes' as never }] }),
      /outputs\[0\]\.hidden must be true or false/u,
    ],
    [
      'has an output without end',
      (message) => ({ outputs: [{ value: 1, of: [message], sizeBytes: Infinity }] }),
      /sizeBytes must be/u,
    ],
    [
      'has a misspelt member, and leaves its message out',
      (message) => ({ output: [{ value: 1, of: [message] }] }) as never,
      /output: no such member; did you mean outputs\?/u,
    ],
  ];
  for (const [what, result, expected] of refused)
    it(`whose result ${what} has failed, and nothing has changed`, async () => {
      const seen: unknown[] = [];
      let old: PipeMessage | undefined;
      const node: AnyNode = {
        handleMessage: (_, message) => {
          if (message.value !== 'bad') {
            old = message;
            return { outputs: [{ value: message.value, of: [message] }] };
          }
          return result(message, old) as NodeResult;
        },
      };
      const onFailure = (error: unknown) => {
        seen.push(String(error));
        return 'crash' as const;
      };
      const chain = await nodeChain([node], { onFailure });
      await chain.feed('good', 'bad');
      assert.equal(seen.length, 1);
      assert.match(String(seen[0]), expected);
      assert.match(String(seen[0]), /The result of node\/0/u);
      assert.deepEqual(chain.settled(), ['1:1']);
    });

  it('that names its message nowhere leaves it open, with one warning that names the node', async () => {
    const node: AnyNode = { name: 'mine', handleMessage: () => ({}) };
    const chain = await nodeChain([node]);
    await chain.feed('1', '2');
    const warnings = chain.harness.eventsOf('warning');
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]?.message ?? '', /^mine\/0: /u);
    assert.deepEqual(chain.settled(), []);
    assert.equal(chain.status()[0]?.oldest?.sequenceNumber, '1');
  });
});
