// The messages of a pipe and its nodes, in kflow's five sequences, and the states of a node. The texts in these tests are the pictures of
// docs/pipes.md: scripts/pipe-pictures.mjs reads them from here. A line is a message, `from -> to: message`, or what an actor does.
import assert from 'node:assert/strict';
import { defineNode } from '../../../src/pipes/define-node.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { map, sink } from '../../../src/pipes/single-nodes.js';
import { retry } from '../../../src/options/retry-policy.js';
import { gate } from '../../support/gate.js';
import { pipeSequence, type PipeSequence } from '../../support/pipe-sequence.js';

const timesTen = map((n: number) => n * 10);
const nothing = (): void => undefined;

async function normal(): Promise<PipeSequence> {
  const run = await pipeSequence([timesTen, sink(nothing)]);
  await run.items(1);
  return run;
}

async function blocked(): Promise<PipeSequence> {
  const { open, opened } = gate();
  const run = await pipeSequence([map((n: number) => n, { maxQueueLen: 1 }), sink(() => opened)]);
  await run.items(1, 2, 3);
  run.log.push('node 0: is blocked');
  open();
  await run.harness.settle();
  return run;
}

async function callbackFailure(): Promise<PipeSequence> {
  const failing = map((n: number) => {
    if (n === 2) throw new Error('2 is bad');
    return n;
  });
  const run = await pipeSequence([map((n: number) => n), failing, sink(nothing)]);
  await run.items(1, 2, 3);
  return run;
}

async function upstreamFailure(): Promise<PipeSequence> {
  const exiting = defineNode<unknown, number, number>({
    handleMessage: (_, message) => ({
      outputs: [{ value: message.value, of: [message] }],
      exit: message.value === 2,
    }),
  });
  const total = aggregate<number, string>({ count: 10 }, (values) => values.join('+'));
  const run = await pipeSequence([exiting, total, sink(nothing)]);
  await run.items(1, 2, 3);
  return run;
}

async function downstreamFailure(): Promise<PipeSequence> {
  const [first, second] = [gate(), gate()];
  const slow = map(async (n: number, _, { signal }) => {
    if (n === 1) return n;
    signal.addEventListener('abort', () => run.log.push('node 0: the signal aborts'));
    await second.opened;
    run.log.push('node 0: the call returns');
    return n;
  });
  const failing = map(async () => {
    await first.opened;
    throw new Error('store down');
  });
  const run = await pipeSequence([slow, failing]);
  await run.items(1);
  await run.items(2);
  first.open();
  await run.harness.settle();
  second.open();
  await run.harness.settle();
  return run;
}

async function attempts(): Promise<PipeSequence> {
  let failures = 1;
  const failing = map(() => {
    failures -= 1;
    if (failures >= 0) throw new Error('not yet');
  });
  const run = await pipeSequence([failing], retry({ minMs: 100, maxMs: 100 }));
  await run.items(1);
  await run.harness.advance(1_000);
  return run;
}

/** The lines of a text. */
const lines = (text: string): readonly string[] => text.trim().split(/\n */);

describe('the messages of a pipe', () => {
  it('normal: a node answers when it has called, what follows goes on without it', async () => {
    const { log } = await normal();
    assert.deepEqual(
      log,
      lines(`
        stage -> pipe: items 1
        pipe -> node 0: feed 1
        node 0: handleMessage 1
        node 0 -> pipe: processed 1
        node 0 -> node 1: feed 10
        pipe -> stage: credit 1
        node 1: handleMessage 10
        node 1 -> node 0: processed 10
        node 1 -> pipe: settled 1
        pipe -> stage: settled 1
      `),
    );
  });

  it('blocked: a node whose queue is full makes no call until the next node has taken from it', async () => {
    const { log } = await blocked();
    assert.deepEqual(
      log,
      lines(`
        stage -> pipe: items 1 2 3
        pipe -> node 0: feed 1 2 3
        node 0: handleMessage 1
        node 0 -> node 1: feed 1
        node 0: handleMessage 2
        node 1: handleMessage 1
        node 0: is blocked
        node 1 -> pipe: settled 1
        pipe -> stage: settled 1
        node 1 -> node 0: processed 1
        node 0 -> node 1: feed 2
        node 0: handleMessage 3
        node 1: handleMessage 2
        node 0 -> pipe: processed 1 2 3
        node 1 -> pipe: settled 2
        pipe -> stage: credit 3
        pipe -> stage: settled 2
        node 1 -> node 0: processed 2
        node 0 -> node 1: feed 3
        node 1: handleMessage 3
        node 1 -> pipe: settled 3
        pipe -> stage: settled 3
        node 1 -> node 0: processed 3
      `),
    );
  });

  it('callback failure: the nodes before stop, and what was produced drains', async () => {
    const { log } = await callbackFailure();
    assert.deepEqual(
      log,
      lines(`
        stage -> pipe: items 1 2 3
        pipe -> node 0: feed 1 2 3
        node 0: handleMessage 1
        node 0: handleMessage 2
        node 0: handleMessage 3
        node 0 -> pipe: processed 1 2 3
        node 0 -> node 1: feed 1 2 3
        pipe -> stage: credit 3
        node 1: handleMessage 1
        node 1: handleMessage 2
        node 1 -> pipe: nodeEnds, 2 is bad
        node 1 -> node 2: feed 1
        pipe -> node 0: downstreamFailed
        pipe -> node 1: upstreamFailed
        node 2: handleMessage 1
        node 0: terminate
        node 1: terminate
        node 2 -> node 1: processed 1
        node 2 -> pipe: settled 1
        node 0 -> pipe: ended
        node 1 -> node 2: upstreamFailed
        pipe -> stage: settled 1
        node 2: terminate
        node 2 -> node 1: ended
        node 1 -> pipe: ended
        pipe: fails with 2 is bad
      `),
    );
  });

  it('upstream failure: each node flushes, drains, and lets the next one do the same', async () => {
    const { log } = await upstreamFailure();
    assert.deepEqual(
      log,
      lines(`
        stage -> pipe: items 1 2 3
        pipe -> node 0: feed 1 2 3
        node 0: handleMessage 1
        node 0: handleMessage 2
        node 0 -> pipe: nodeEnds
        node 0 -> node 1: feed 1 2
        pipe -> node 0: upstreamFailed
        node 1: handleMessage 1
        node 1: handleMessage 2
        node 0: terminate
        node 1 -> node 0: processed 1 2
        node 0 -> node 1: upstreamFailed
        node 1: handleFlush
        node 1: terminate
        node 1 -> node 2: feed 1+2
        node 2: handleMessage 1+2
        node 2 -> node 1: processed 1+2
        node 2 -> pipe: settled 1 2
        node 1 -> node 2: upstreamFailed
        pipe -> stage: settled 1 2
        node 2: terminate
        node 2 -> node 1: ended
        node 1 -> node 0: ended
        node 0 -> pipe: ended
        pipe: fails with PIPE_EXITED
      `),
    );
  });

  it('downstream failure: the call that runs is aborted, and waited for', async () => {
    const { log } = await downstreamFailure();
    assert.deepEqual(
      log,
      lines(`
        stage -> pipe: items 1
        pipe -> node 0: feed 1
        node 0: handleMessage 1
        node 0 -> node 1: feed 1
        node 1: handleMessage 1
        node 0 -> pipe: processed 1
        pipe -> stage: credit 1
        stage -> pipe: items 2
        pipe -> node 0: feed 2
        node 0: handleMessage 2
        node 1 -> pipe: nodeEnds, store down
        pipe -> node 0: downstreamFailed
        pipe -> node 1: upstreamFailed
        node 0: the signal aborts
        node 1: terminate
        node 1 -> pipe: ended
        node 0: the call returns
        node 0: terminate
        node 0 -> pipe: ended
        pipe: fails with store down
      `),
    );
  });
});

describe('the states of a node in a pipe', () => {
  it('follow one another as the picture shows, and in no other way', async () => {
    const changes = new Set<string>();
    for (const run of [normal, blocked, callbackFailure, upstreamFailure, downstreamFailure, attempts])
      for (const change of (await run()).changes) changes.add(change);
    const drawn = lines(`
        initial -> ready: init has returned
        ready -> working: a call begins
        working -> ready: the calls have returned
        working -> blocked: the queue is full
        blocked -> working: the next node has taken from it
        blocked -> ready: and no call is left
        working -> waiting: retry
        waiting -> ready: an attempt succeeds
        working -> exiting: crash, or exit
        ready -> exiting: the node above or below ends
        exiting -> ended: drained
    `);
    assert.deepEqual([...changes].toSorted(), drawn.map((line) => line.replace(/:.*/u, '')).toSorted());
  });
});
