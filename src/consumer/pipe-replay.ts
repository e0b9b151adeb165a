// Runs parked messages through the nodes of a pipe from the one on which they failed, for `kinact parked replay --module`. It is the pipe
// of a consumer, behind a stage that only counts what is settled. Nodes before the first one put each message on its route. Invariant: a
// message is done when all that became of it is settled, and no call has failed meanwhile.
import type { Behaviour, Effect, Ref } from '../../actors/protocol/actor.js';
import { DeliveredItem } from '../../actors/protocol/item.js';
import type { NodeRequest } from '../../actors/protocol/pipe-messages.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { pipeNode } from '../../actors/pipe-node/pipe-node.js';
import { pipe as pipeActor } from '../../actors/pipe/pipe.js';
import { createRuntime } from '../../supervision/index.js';
import { endingOf, sendFromOutside, spawnRoot, stopRoot } from '../../supervision/system.js';
import { KinactError } from '../api/errors.js';
import type { UserRecord } from '../api/ports.js';
import type { AnyNode, PipeMessage } from '../api/pipe.js';
import { hostEnvironment } from './host-environment.js';

/** How long a call has to end when the replay stops. */
const stopMs = 20_000;
/** And then, once its signal has aborted. */
const abortMs = 1_000;

/** A value that comes back. */
export interface ReplayedValue {
  readonly value: unknown;
  readonly key: string;
  /** The idempotency key of the item that the value stands for alone; undefined if it stands for a part of one, or for several. */
  readonly idempotencyKey: string | undefined;
  /** The index of this item among those of its record. */
  readonly itemIndex: number;
  /** Its record; the data may be the bytes of the value. */
  readonly record: UserRecord;
}

/** The values of one entry, all on one route. */
export interface ReplayedEntry {
  /** The heads of the route, the newest last. */
  readonly route: readonly string[];
  readonly source: string;
  readonly shardId: string;
  readonly values: readonly ReplayedValue[];
}

export type EntryOutcome =
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly error: unknown }
  /** The pipe was stopped first. */
  | { readonly type: 'left' };

export interface PipeReplay {
  /** One at a time. Rejects if the pipe ends by itself, for example because `init` of a node has failed. */
  replay(entry: ReplayedEntry): Promise<EntryOutcome>;
  /** Gives the entry that is under way 20 s to end, and stops. */
  stop(): Promise<void>;
}

/** What a node gets as `message.item`: the item as it was parked. */
class ReplayedItem extends DeliveredItem {
  readonly #key: string;

  constructor(given: { readonly parts: ConstructorParameters<typeof DeliveredItem>; readonly idempotencyKey: string }) {
    super(...given.parts);
    this.#key = given.idempotencyKey;
  }

  override get idempotencyKey(): string {
    return this.#key;
  }

  override get replayed(): boolean {
    return true;
  }

  /** Before, the value is one that the nodes of the pipe must not see. */
  static unwrap(item: ReplayedItem, value: unknown): void {
    (item as { value: unknown }).value = value;
  }
}

/** On its way to its route. */
interface Routed {
  readonly value: unknown;
  readonly heads: readonly string[];
  readonly isItem: boolean;
}

/** Adds the head with this number. The last of these nodes, which adds none, unwraps the value. */
function enter(depth: number): AnyNode {
  return {
    name: 'replay',
    handleMessage: (_, message: PipeMessage<Routed>) => ({
      outputs: [{ value: message.value, of: [message], route: { add: message.value.heads[depth] as string } }],
    }),
  };
}

const unwrap: AnyNode = {
  name: 'replay',
  handleMessage: (_, message: PipeMessage<Routed>) => {
    const { value, isItem } = message.value;
    ReplayedItem.unwrap(message.item as unknown as ReplayedItem, value);
    const output = { value, of: [message] };
    // As a share of itself, the message stands for no whole item.
    return { outputs: isItem ? [output] : [output, { value, of: [message], hidden: true }] };
  },
};

interface Current {
  /** The ordinals that are not settled. */
  readonly open: Set<number>;
  failure: { readonly error: unknown } | undefined;
  readonly settled: () => void;
}

/** The nodes of a pipe from the first that gets a message. `depth`: how many heads the routes of all entries have. */
export function pipeReplay(nodes: readonly AnyNode[], depth: number): PipeReplay {
  let current: Current | undefined;
  let underWay: Promise<unknown> = Promise.resolve();
  let isStopped = false;
  let [worker, number] = [0, 0];
  const pipe = startPipe([...Array.from({ length: depth }, (_, at) => enter(at)), unwrap, ...nodes], {
    settled: (ordinals) => {
      for (const each of ordinals) current?.open.delete(each);
      if (current?.open.size === 0) current.settled();
    },
    failed: (error) => {
      if (current !== undefined) current.failure ??= { error };
    },
  });
  const ended = endingOf(pipe.root).then(({ error }) => {
    if (isStopped) return 'left' as const;
    throw error ?? new KinactError('STOPPED', 'the pipe has ended');
  });
  ended.catch(() => undefined);
  const stopping = new AbortController();

  const tell = (message: object): void => {
    number += 1;
    sendFromOutside(pipe.root, { ...message, stage: pipe.stage, number });
  };

  return {
    async replay(entry) {
      worker += 1;
      const items = replayedItems(entry, { stage: pipe.stage, worker, signal: stopping.signal });
      if (items.length === 0) return { type: 'done' };
      const settled = new Promise<'settled'>((resolve) => {
        const open = new Set(items.map(({ ordinal }) => ordinal));
        current = { open, failure: undefined, settled: () => resolve('settled') };
      });
      underWay = settled;
      tell({ type: 'items', items });
      // Aggregates do not wait for more.
      tell({ type: 'punctuation', id: worker, worker, kind: 'flush' });
      const how = await Promise.race([settled, ended]);
      const { failure } = current as unknown as Current;
      current = undefined;
      if (failure !== undefined) return { type: 'failed', error: failure.error };
      return how === 'settled' ? { type: 'done' } : { type: 'left' };
    },
    async stop() {
      if (isStopped) return;
      isStopped = true;
      await atMost(underWay, stopMs);
      stopping.abort(new KinactError('STOPPED', 'the replay stops'));
      await pipe.stop();
    },
  };
}

async function atMost(work: Promise<unknown>, ms: number): Promise<void> {
  let cancel = (): void => undefined;
  const over = new Promise<void>((resolve) => (cancel = hostEnvironment.timers.after(ms, resolve)));
  await Promise.race([work, over]);
  cancel();
}

interface Reports {
  readonly settled: (ordinals: readonly number[]) => void;
  readonly failed: (error: unknown) => void;
}

interface StartedPipe {
  readonly root: Ref<never>;
  readonly stage: Ref<StageMessage>;
  stop(): Promise<void>;
}

function startPipe(definitions: readonly AnyNode[], { settled, failed }: Reports): StartedPipe {
  const { clock, random } = hostEnvironment;
  const runtime = createRuntime({ ...hostEnvironment, emit: () => undefined });
  const stage = spawnRoot(runtime, countingStage(settled), 'replay');
  const behaviour = pipeActor({
    ...{ index: 0, application: 'kinact-parked-replay', credit: Infinity, progress: { settled: 0 } },
    ...{ stages: [stage], callDeadlineMs: abortMs, answerDeadlineMs: abortMs, clock, random, definitions },
    onFailure: (error) => {
      failed(error);
      return 'skip';
    },
    // A call that hangs is reported, and waited for until the command is stopped.
    makeNode: (node) => {
      const patient = { ...node, timeoutMs: Infinity, answerDeadlineMs: Infinity };
      return pipeNode(patient) as unknown as Behaviour<never, NodeRequest>;
    },
  });
  const root = spawnRoot(runtime, behaviour as never, 'replay', { shutdownMs: abortMs });
  return {
    root,
    stage,
    stop: async () => {
      for (const each of [root, stage]) await stopRoot(each, { deadlineMs: abortMs });
    },
  };
}

interface ItemsPlace {
  readonly stage: Ref<StageMessage>;
  readonly worker: number;
  readonly signal: AbortSignal;
}

/** The values of an entry as items. Its lease never ends, and no other entry has it. */
function replayedItems(
  { source, shardId, route, values }: ReplayedEntry,
  { stage, worker, signal }: ItemsPlace,
): readonly DeliveredItem[] {
  const tenure: Tenure = {
    ...{ workerNumber: worker, leaseKey: shardId, shardId, source, idempotencyPrefix: '', fence: 0, signal },
    ...{ start: { type: 'trimHorizon' }, deadline: Infinity, wallDeadline: Infinity, ended: false },
  };
  const fetch = { fetchedAt: hostEnvironment.clock.wallNow(), millisBehindLatest: undefined };
  return values.map(({ value, key, idempotencyKey, itemIndex, record }, ordinal) => {
    const routed: Routed = { value, heads: route, isItem: idempotencyKey !== undefined };
    return new ReplayedItem({
      parts: [stage, key, routed, tenure, ordinal, itemIndex, record, undefined, fetch],
      idempotencyKey: idempotencyKey ?? '',
    });
  });
}

/** Takes the place of the stages. */
function countingStage(settle: (ordinals: readonly number[]) => void): Behaviour<undefined, StageMessage> {
  return {
    kind: 'stage',
    initial: () => [undefined, []],
    receive: (nothing, message): readonly [undefined, Effect<never>[]] => {
      if (message.type === 'disposed') for (const { ordinals } of message.dispositions) settle(ordinals);
      return [nothing, []];
    },
  };
}
