// Runs parked messages through the nodes of a pipe from the one on which they failed, for `kinact parked replay --module`. It is the pipe
// of a consumer, behind a stage that only counts what is settled. Or a reducer stands between stage and pipe, and gets items. Invariant: a
// message is done when all that became of it is settled, and no call has failed meanwhile.
import type { Behaviour, Effect, Ref } from '../../actors/protocol/actor.js';
import type { Disposed } from '../../actors/protocol/disposition.js';
import { DeliveredItem } from '../../actors/protocol/item.js';
import { addHead, SentMessage, type Route } from '../../actors/protocol/pipe-message.js';
import type { NodeRequest } from '../../actors/protocol/pipe-messages.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { pipeNode } from '../../actors/pipe-node/pipe-node.js';
import { pipe as pipeActor } from '../../actors/pipe/pipe.js';
import { reducer as reducerActor } from '../../actors/reducer/reducer.js';
import { createRuntime, type Runtime } from '../../supervision/index.js';
import { endingOf, sendFromOutside, spawnRoot, stopRoot } from '../../supervision/system.js';
import { KinactError } from '../api/errors.js';
import type { UserRecord } from '../api/ports.js';
import type { AnyNode } from '../api/pipe.js';
import type { ReducerDefinition } from '../api/reducer.js';
import { recordBytes } from '../core/record-bytes.js';
import type { Split } from '../core/references.js';
import { hostEnvironment } from './host-environment.js';

/** How long a call has to end when the replay stops. */
const stopMs = 20_000;
/** And then, once its signal has aborted. */
const abortMs = 1_000;
/** How often a reducer gets a heartbeat, and flushes by itself unless it says when. */
const beatMs = 1_000;

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
  readonly route: Route | undefined;
  readonly #key: string | undefined;

  constructor(
    parts: ConstructorParameters<typeof DeliveredItem>,
    { idempotencyKey, route }: { readonly idempotencyKey: string | undefined; readonly route: Route | undefined },
  ) {
    super(...parts);
    this.#key = idempotencyKey;
    this.route = route;
  }

  /** Whether the value stands for this whole item, and for nothing else. */
  get isWhole(): boolean {
    return this.#key !== undefined;
  }

  override get idempotencyKey(): string {
    return this.#key ?? '';
  }

  override get replayed(): boolean {
    return true;
  }
}

/** What the first node gets: the value on its route. It stands for no whole item if it is the only share of one. */
function messageOf(item: DeliveredItem): SentMessage {
  const { value, record, route, isWhole } = item as ReplayedItem;
  const share: Split<Tenure, Ref<Disposed>> = { kind: 'split', of: item, open: 1, lost: undefined, tenures: undefined };
  return new SentMessage(value, isWhole ? item : share, route, recordBytes(record));
}

interface Current {
  /** The ordinals that are not settled. */
  readonly open: Set<number>;
  failure: { readonly error: unknown } | undefined;
  readonly settled: () => void;
}

/** The nodes of a pipe from the first that gets a message. */
export function pipeReplay(nodes: readonly AnyNode[]): PipeReplay {
  return replayOf((reports) => startPipe({ ...reports, definitions: nodes }));
}

/** A reducer with the pipe behind it. Its entries have no route, and each value is a whole item. */
export function reducerReplay(reducer: ReducerDefinition, nodes: readonly AnyNode[]): PipeReplay {
  return replayOf((reports) => startPipe({ ...reports, definitions: nodes, reducer }));
}

function replayOf(start: (reports: Reports) => StartedPipe): PipeReplay {
  let current: Current | undefined;
  let underWay: Promise<unknown> = Promise.resolve();
  let isStopped = false;
  let [shardWorker, number] = [0, 0];
  const pipe = start({
    settled: (ordinals) => {
      for (const each of ordinals) current?.open.delete(each);
      if (current?.open.size === 0) current.settled();
    },
    failed: (error) => {
      if (current !== undefined) current.failure ??= { error };
    },
  });
  const ended = Promise.race(pipe.actors.map(endingOf)).then(({ error }) => {
    if (isStopped) return 'left' as const;
    throw error ?? new KinactError('STOPPED', 'the pipe has ended');
  });
  ended.catch(() => undefined);
  const stopping = new AbortController();

  const tell = (message: object): void => {
    number += 1;
    sendFromOutside(pipe.first, { ...message, stage: pipe.stage, number });
  };

  return {
    async replay(entry) {
      shardWorker += 1;
      const items = replayedItems(entry, { stage: pipe.stage, shardWorker, signal: stopping.signal });
      if (items.length === 0) return { type: 'done' };
      const settled = new Promise<'settled'>((resolve) => {
        const open = new Set(items.map(({ ordinal }) => ordinal));
        current = { open, failure: undefined, settled: () => resolve('settled') };
      });
      const over = Promise.race([settled, ended]);
      underWay = over.catch(() => undefined);
      tell({ type: 'items', items });
      // Aggregates do not wait for more.
      tell({ type: 'punctuation', id: shardWorker, shardWorker, kind: 'flush' });
      const how = await over;
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
  /** The actor that gets the items: the reducer, or the pipe. */
  readonly first: Ref<never>;
  /** Each ends with an error of its own. */
  readonly actors: readonly Ref<never>[];
  readonly stage: Ref<StageMessage>;
  stop(): Promise<void>;
}

interface Started extends Reports {
  readonly definitions: readonly AnyNode[];
  readonly reducer?: ReducerDefinition;
}

function startPipe({ definitions, reducer, settled, failed }: Started): StartedPipe {
  const { clock, random } = hostEnvironment;
  const runtime = createRuntime({ ...hostEnvironment, emit: () => undefined });
  const stage = spawnRoot(runtime, countingStage(settled), 'replay');
  const common = {
    ...{ index: 0, application: 'kinact-parked-replay', credit: Infinity, progress: { settled: 0 }, clock, random },
    onFailure: (error: unknown) => {
      failed(error);
      return 'skip' as const;
    },
  };
  const behaviour = pipeActor({
    ...common,
    ...{ callDeadlineMs: abortMs, answerDeadlineMs: abortMs, definitions, messageOf },
    ...(reducer === undefined ? { stages: [stage] } : { stages: [], isBehindReducer: true }),
    // A call that hangs is reported, and waited for until the command is stopped.
    makeNode: (node) => {
      const patient = { ...node, timeoutMs: Infinity, answerDeadlineMs: Infinity };
      return pipeNode(patient) as unknown as Behaviour<never, NodeRequest>;
    },
  });
  const pipe = spawnRoot(runtime, behaviour as never, 'replay', { shutdownMs: abortMs });
  let actors: readonly Ref<never>[] = [pipe];
  let cancelBeat = (): void => undefined;
  if (reducer !== undefined) {
    const feeding = reducerActor({
      ...common,
      ...{ definition: reducer, stages: [stage], pipe, answerDeadlineMs: Infinity, sendFromOutside },
      ...{ batchSize: 1, batchIntervalMs: reducer.batch?.intervalMs ?? beatMs },
    });
    const first = startReducer(runtime, feeding as never, pipe);
    actors = [first, pipe];
    const beat = (): void => {
      sendFromOutside(first, { type: 'heartbeat' } as never);
      cancelBeat = hostEnvironment.timers.after(beatMs, beat);
    };
    beat();
  }
  return {
    first: actors[0] as Ref<never>,
    actors,
    stage,
    stop: async () => {
      cancelBeat();
      for (const each of [...actors, stage]) await stopRoot(each, { deadlineMs: abortMs });
    },
  };
}

/** Throws what its `init` has thrown. */
function startReducer(runtime: Runtime, behaviour: Behaviour<never, never>, pipe: Ref<never>): Ref<never> {
  try {
    return spawnRoot(runtime, behaviour, 'replay', { shutdownMs: abortMs });
  } catch (error) {
    void stopRoot(pipe, { deadlineMs: abortMs });
    throw (error as Error).cause ?? error;
  }
}

interface ItemsPlace {
  readonly stage: Ref<StageMessage>;
  readonly shardWorker: number;
  readonly signal: AbortSignal;
}

/** The values of an entry as items. Its lease never ends, and no other entry has it. */
function replayedItems(
  { source, shardId, route: heads, values }: ReplayedEntry,
  { stage, shardWorker, signal }: ItemsPlace,
): readonly DeliveredItem[] {
  const tenure: Tenure = {
    ...{ shardWorkerNumber: shardWorker, leaseKey: shardId, shardId, source, idempotencyPrefix: '', fence: 0, signal },
    ...{ start: { type: 'trimHorizon' }, deadline: Infinity, wallDeadline: Infinity, ended: false },
  };
  const fetch = { fetchedAt: hostEnvironment.clock.wallNow(), millisBehindLatest: undefined };
  let route: Route | undefined;
  for (const head of heads) route = addHead(route, head);
  return values.map(
    ({ value, key, idempotencyKey, itemIndex, record }, ordinal) =>
      new ReplayedItem([stage, key, value, tenure, ordinal, itemIndex, record, undefined, fetch], {
        idempotencyKey,
        route,
      }),
  );
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
