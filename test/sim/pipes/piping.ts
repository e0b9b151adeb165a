// The simulated application with a pipe in place of a reducer: its pipe, its `extract`, and its verdicts about failed calls of nodes.
import type { FailedItem } from '../../../src/api/failed-item.js';
import type { FailurePolicy } from '../../../src/api/failure-policy.js';
import type { Pipe } from '../../../src/api/pipe.js';
import type { DeliveredItem } from '../../../actors/protocol/item.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import type { Extracted, Item, ReducerDefinition } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { callDeadlineMs } from '../cluster.js';
import type { Dice } from '../dice.js';
import type { Machine } from '../machine.js';
import type { Sink } from '../sink.js';
import type { Tenures } from '../tenures.js';
import type { Work } from '../work.js';
import type { World } from '../world.js';
import { drawChain } from './chain.js';
import { drawEmitting } from './emitting.js';
import { finish, Grain, itemsOf, Piece, type GrainItem } from './grain.js';
import type { Life } from './life.js';
import { createNodeLaws } from './node-laws.js';
import { createSteps, Spoiled } from './steps.js';

interface PipingOptions {
  readonly world: World;
  readonly machine: Machine;
  readonly dice: Dice;
  readonly work: Work;
  readonly tenures: Pick<Tenures, 'acknowledged'>;
  readonly sink: Pick<Sink, 'failed' | 'messages'>;
  readonly timeoutMs: number | undefined;
  /** Whether this worker has ended, and everybody knows. */
  readonly hasEnded: (shardWorker: number) => boolean;
  readonly hurt: () => void;
}

export interface Piping {
  readonly pipe: Pipe<Piece>;
  /** Stands before the pipe. */
  readonly reducer: ReducerDefinition | undefined;
  /** A call of the reducer has failed with these items, and the policy is `skip` or `park`. */
  readonly setAside: (items: readonly object[], isParked: boolean) => void;
  readonly extracted: (items: readonly Extracted<string>[]) => readonly Extracted<Piece>[];
  /** The policy for a failed call of a node, and what follows from it for the laws. */
  readonly judge: (thrown: unknown, failed: FailedItem, policy: FailurePolicy) => FailurePolicy;
}

function itemOf({ id, key }: Grain, item: unknown, attempt = 1): GrainItem {
  const { source, shardId, sequenceNumber, subSequenceNumber, fence, tenure, ordinal, index } = item as DeliveredItem;
  const of = { source, shardId, sequenceNumber, subSequenceNumber, fence, tenure, ordinal, index };
  return { value: id, key, attempt, ...of } as unknown as GrainItem;
}

export function createPiping(options: PipingOptions): Piping {
  const { world, machine, dice, work, tenures, sink, timeoutMs = callDeadlineMs, hasEnded, hurt } = options;
  const { oracle, pipes } = world;
  const isOver = (item: GrainItem): boolean =>
    item.tenure.ended ||
    hasEnded(item.tenure.shardWorkerNumber) ||
    !oracle.mayDeliver(
      machine.name,
      world.layout.nameOf(item.source, item.shardId, item.sequenceNumber),
      machine.worldNow(),
    );
  const lives = new Set<Life>();
  pipes.lives.set(machine.name, lives);
  const ordered: boolean[] = [];
  const emitting = pipes.reducerOf(machine.name);
  const laws = createNodeLaws({
    isBehindReducer: emitting !== undefined,
    now: () => machine.worldNow(),
    disturbedAt: () => Math.max(machine.mailHeldAt(), machine.resumedAt()),
    isOver,
    arrived: (grain, message) => {
      grain.item = itemOf(grain, SentMessage.itemOf(message as SentMessage));
      work.note(grain.item);
    },
    ordered,
    lives,
    violate: (invariant, text) => oracle.violate(invariant, `${machine.name}: ${text}`),
  });
  const exits = (): boolean => {
    if (world.poison === 0 || !dice.chance(0.01)) return false;
    hurt();
    return true;
  };
  const drawn = drawChain(createSteps({ dice, work, laws, exits }), timeoutMs);
  ordered.push(...drawn.ordered);
  const grains = new WeakMap<object, Grain>();
  const arrived = (grain: Grain, item: Item<Piece>): GrainItem => {
    grain.item = itemOf(grain, item, item.attempt);
    grains.set(grain.item, grain);
    work.note(grain.item);
    return grain.item;
  };
  const reducer = emitting && ({ ...drawEmitting({ dice: emitting, work, arrived }), timeoutMs } as ReducerDefinition);
  world.say(`${machine.name} has a pipe${reducer === undefined ? '' : ' behind a reducer'}: ${drawn.kinds.join(' ')}`);

  const skipped = (pieces: readonly Piece[], failed: FailedItem): void => {
    const isOne = failed.items === 1 && pieces.length === 1 && pieces[0]?.grains.length === 1;
    for (const piece of pieces)
      finish(piece, (item) => {
        // Of several messages, the event names the first.
        if (isOne) oracle.skipped([item.value]);
        else oracle.acknowledged([item.value]);
        tenures.acknowledged([item]);
      });
  };

  return {
    reducer,
    setAside: (items, isParked) => {
      for (const item of items) {
        const grain = grains.get(item);
        if (grain === undefined) continue;
        if (isParked) grain.mayBeParked = true;
        else grain.isDone = true;
      }
    },
    pipe: { ...laws.watched(drawn.pipe as Pipe), format: sink.messages.format } as Pipe<Piece>,
    extracted: (items) => items.map(({ key, value }) => ({ key, value: new Piece([new Grain(value, key)]) })),
    judge: (thrown, failed, policy) => {
      hurt();
      const { node = '', value } = failed;
      const pieces = thrown instanceof Spoiled ? thrown.pieces : value instanceof Piece ? [value] : [];
      const isParked = typeof policy === 'object' && policy.type === 'park';
      // Nobody knows the values of a custom aggregate.
      if (isParked && thrown instanceof Spoiled && thrown.isFolded) return retry({ minMs: 10, maxMs: 1_000 });
      if (isParked) {
        sink.messages.failed(pieces);
        const items = itemsOf(pieces);
        for (const grain of pieces.flatMap(({ grains }) => grains)) grain.mayBeParked = true;
        sink.failed(
          items.map(({ value: id }) => id),
          items,
        );
      } else if (policy === 'skip') skipped(pieces, failed);
      else if (policy === 'crash') thrown instanceof Spoiled && laws.crashed(thrown.pipe, node);
      return policy;
    },
  };
}
