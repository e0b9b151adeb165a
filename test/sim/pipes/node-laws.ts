// The laws of a pipe's nodes, asked at every call of a node: nothing is delivered after its tenures have ended (I27), `init` and
// `terminate` (I66), the order of each key and route (I67), what a message names (I68), that a failed node and those before it are
// silent (I69), and that nothing comes of a failed call of a reducer (I72).
import type { AnyNode, NodeContext, NodeResult, Pipe, PipeMessage } from '../../../src/api/pipe.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import { isNodeFailure, NodeFailure } from '../../../src/api/pipe-failure.js';
import type { Life } from './life.js';
import type { Grain, GrainItem, Piece } from './grain.js';

export interface NodeLawsOptions {
  /** World time. */
  readonly now: () => number;
  /** When mail was last held up, or the machine last stood still. */
  readonly disturbedAt: () => number;
  /** Whether the tenure of this item has ended, or its lease has run out. */
  readonly isOver: (item: GrainItem) => boolean;
  /** The first node has an item. */
  readonly arrived: (grain: Grain, message: PipeMessage) => void;
  /** By node: whether the items of a key come to it in order. */
  readonly ordered: readonly boolean[];
  readonly lives: Set<Life>;
  /** What comes to the first node was emitted by a reducer, which has noted its items. */
  readonly isBehindReducer?: boolean;
  readonly violate: (invariant: string, text: string) => void;
}

export interface NodeLaws {
  /** The same pipe, watched. */
  watched(pipe: Pipe): Pipe;
  /** Values come to the application outside of `handleMessage`. Their node can take out what is lost. */
  given(pieces: readonly Piece[], context: NodeContext): void;
  /** The policy has said `crash` about this node. */
  crashed(pipe: number, node: string): void;
}

interface Watched {
  readonly life: Life;
  readonly state: unknown;
}

interface Crash {
  readonly node: number;
  readonly at: number;
}

const newsMs = 1;

export const indexOf = (node: string): number => Number(node.slice(node.lastIndexOf('/') + 1));

export function createNodeLaws(options: NodeLawsOptions): NodeLaws {
  const { now, disturbedAt, isOver, arrived, ordered, lives, isBehindReducer, violate } = options;
  const crashes = new Map<number, Crash>();
  const lastOf = new Map<string, number>();
  const lastArrived = new Map<number, PipeMessage>();
  const asked = new WeakSet<NodeContext>();
  const named = ({ grains }: Piece): string => grains.map(({ id }) => id).join(' ');

  const silent = (life: Life, { pipe, node }: NodeContext): void => {
    const crash = crashes.get(pipe);
    if (crash === undefined || indexOf(node) > crash.node || life.bornAt > crash.at) return;
    if (now() > Math.max(crash.at, disturbedAt()) + newsMs)
      violate(
        'I69',
        `${node} of pipe ${pipe} is called ${Math.round(now() - crash.at)} ms after node ${crash.node} has failed`,
      );
  };

  const alive = (life: Life, context: NodeContext): void => {
    if (life.isOver) violate('I66', `${life.name} is called after its terminate`);
    silent(life, context);
  };

  const inOrder = (piece: Piece, { pipe, node, route = '' }: NodeContext): void => {
    if (ordered[indexOf(node)] !== true) return;
    // Copies of a value that stands for many items come one after the other, so their first items count.
    const firsts = new Map<string, number>();
    for (const { id, key, item } of piece.grains) {
      if (item === undefined) continue;
      const name = `${pipe} ${node} ${route} ${item.tenure.shardWorkerNumber} ${key}`;
      const place = item.ordinal * 1_000 + item.index;
      if (place < (lastOf.get(name) ?? -1) && !firsts.has(name))
        violate('I67', `${id} of key ${key} came to ${node} of pipe ${pipe}, route '${route}', after a later one`);
      firsts.set(name, Math.min(place, firsts.get(name) ?? Infinity));
    }
    for (const [name, place] of firsts) lastOf.set(name, place);
  };

  const standsForItsGrains = (piece: Piece, message: PipeMessage, { node }: NodeContext): void => {
    const { lease } = message;
    const item = SentMessage.itemOf(message as SentMessage);
    // A reducer leaves out the items of leases that end while its call runs, so a value of many may stand for the one that is left.
    const live = piece.grains.filter(({ item: each }) => each === undefined || !isOver(each));
    if (item !== undefined && live.length > 0 && (live.length !== 1 || live[0]?.item?.ordinal !== item.ordinal))
      violate('I68', `${named(piece)} came to ${node} as if it were one item, ${item.sequenceNumber}`);
    for (const { id, item: each } of piece.grains) {
      if (lease === undefined || each === undefined || each.tenure.ended) continue;
      if (each.shardId !== lease.shardId || each.fence !== lease.fence || each.source !== lease.source)
        violate('I68', `${id} came to ${node} with the lease of ${lease.shardId}, fence ${lease.fence}`);
    }
  };

  const handedOut = (message: PipeMessage<Piece>, context: NodeContext): void => {
    const { value: piece } = message;
    const { pipe, node } = context;
    if (piece.isOfFailedCall)
      violate('I72', `${named(piece)} came to ${node}, and the call that has emitted it has failed`);
    if (isBehindReducer !== true && indexOf(node) === 0 && lastArrived.get(pipe) !== message) {
      lastArrived.set(pipe, message);
      arrived(piece.grains[0] as Grain, message);
    }
    if (piece.grains.every(({ item }) => item === undefined || isOver(item)))
      violate('I27', `${named(piece)} came to ${node} of pipe ${pipe} after its tenures had ended`);
    inOrder(piece, context);
    standsForItsGrains(piece, message, context);
  };

  const watchedResult = (life: Life, call: () => unknown): unknown => {
    const result = (returned: unknown): unknown => {
      const { state } = (returned ?? {}) as NodeResult;
      return returned === undefined || !Object.hasOwn(returned as object, 'state')
        ? returned
        : { ...(returned as NodeResult), state: { life, state } };
    };
    const failure = (thrown: unknown): never => {
      if (!isNodeFailure(thrown)) throw thrown;
      const { of, values } = thrown;
      throw new NodeFailure(thrown.cause, { of, values, state: { life, state: thrown.state } });
    };
    try {
      const returned = call();
      return returned instanceof Promise ? returned.then(result, failure) : result(returned);
    } catch (error) {
      return failure(error);
    }
  };

  const watchedNode = (node: AnyNode): AnyNode => {
    const { init, handleMessage, handleFlush, handleTimer, handleLost, terminate } = node;
    const begin = (context: NodeContext, state: unknown): Watched => {
      const life = {
        name: `${context.node} of pipe ${context.pipe}, route '${context.route ?? ''}'`,
        bornAt: now(),
        isOver: false,
      };
      lives.add(life);
      return { life, state };
    };
    const called =
      (callback: NonNullable<AnyNode['handleFlush']>): NonNullable<AnyNode['handleFlush']> =>
      ({ life, state }: Watched, context) => {
        alive(life, context);
        return watchedResult(life, () => callback(state, context)) as NodeResult;
      };
    return {
      ...node,
      init: (context) => {
        const state: unknown = init?.(context);
        return state instanceof Promise ? state.then((made) => begin(context, made)) : begin(context, state);
      },
      handleMessage: ({ life, state }: Watched, message: PipeMessage<Piece>, context) => {
        alive(life, context);
        handedOut(message, context);
        return watchedResult(life, () => handleMessage(state, message, context)) as NodeResult;
      },
      ...(handleFlush === undefined ? {} : { handleFlush: called(handleFlush) }),
      ...(handleTimer === undefined ? {} : { handleTimer: called(handleTimer) }),
      ...(handleLost === undefined
        ? {}
        : {
            handleLost: ({ life, state }: Watched, lost, context) => {
              if (life.isOver) violate('I66', `${life.name} loses a lease after its terminate`);
              return { life, state: handleLost(state, lost, context) as unknown };
            },
          }),
      terminate: ({ life, state }: Watched, context) => {
        if (life.isOver) violate('I66', `${life.name} is terminated twice`);
        life.isOver = true;
        lives.delete(life);
        return terminate?.(state, context) as unknown;
      },
    };
  };

  return {
    watched: ({ nodes }) => ({ nodes: nodes.map(watchedNode) }),
    given: (pieces, context) => {
      const { node, pipe } = context;
      // A callback may give out several values, one after the other. While it runs, nothing can be taken out.
      if (asked.has(context)) return;
      asked.add(context);
      for (const piece of pieces)
        if (piece.grains.every(({ item }) => item === undefined || isOver(item)))
          violate('I27', `${named(piece)} was in what ${node} of pipe ${pipe} gave out after its tenures had ended`);
    },
    crashed: (pipe, node) => {
      if (!crashes.has(pipe) || (crashes.get(pipe) as Crash).at < now())
        crashes.set(pipe, { node: indexOf(node), at: now() });
    },
  };
}
