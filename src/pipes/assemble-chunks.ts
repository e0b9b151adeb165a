// The node that makes whole objects of their chunks.
import { NonRetryableError } from '../api/failure-policy.js';
import { NodeFailure } from '../api/pipe-failure.js';
import type { Held, NodeContext, NodeDefinition, NodeResult, PipeMessage } from '../api/pipe.js';
import { checkPlainObject } from '../api/plain-object.js';
import { refuse, show } from '../api/refusal.js';
import { answered, atOnce, type MaybeLater } from './answer.js';
import { checkChunk, isRepeated, isWhole, whyFailed, type Chunk, type ChunkedObject } from './chunked-object.js';
import { isCompleted, rememberId, type CompletedIds } from './completed-ids.js';
import { checkMembers, defineNode, isFunction, isMs, nodeOptions, type NodeOptions } from './define-node.js';
import { setTimer, timeOf, type Timed } from './due-timer.js';
import { holdingsIn, keepUnder, leasesKeyOf, loseLease } from './lease-holdings.js';

/** How chunks become an object. */
export interface AssembleChunksOptions<In, Out> extends NodeOptions {
  /** Says which chunk of which object a value is. Synchronous. If it throws, the message alone has failed. */
  readonly chunk: (value: In, message: PipeMessage<In>) => Chunk;
  /**
   * How long an object may take, from its first chunk to its last, in milliseconds. A retransmission is recognized for this long, too.
   */
  readonly maxAgeMs: number;
  /** Makes the object from the values of all its chunks, in order. It may be async. */
  readonly concat: (values: readonly In[], context: NodeContext) => MaybeLater<Out>;
}

interface Chunks<In> extends Timed {
  /** The objects that are not whole, the oldest first. */
  readonly objects: Map<string | number, ChunkedObject<In>>;
  readonly completed: CompletedIds;
}

/**
 * Makes objects of chunks. The chunks of one object come in order on one route; those of several objects may alternate. Order: objects
 * stand in the order of their last chunks. All chunks of an object are settled when the object is done.
 *
 * An object that is not whole is never sent on, and no flush makes it so: its chunks stay open and are delivered again after a stop. So
 * a shard must have room for the objects that are open at a time (`maxPending`), and one object must come from one shard.
 *
 * A chunk that is here already is settled at once. So is any chunk of an object that is complete: it is known by its `id` for
 * `maxAgeMs`, for the last 1,000 objects, and while the route lives (`routeIdleMs`). Later, and under another lease, it begins a new
 * object.
 *
 * An object fails with a NonRetryableError if a chunk is missing, `maxAgeMs` has passed, or a part was lost with a lease. With it fail
 * the chunk of the call and all that are held. One verdict holds for all of them (`NodeFailure`). With `skip` the pipe goes on, and
 * each chunk of the object that comes later fails in the same way, because chunk 1 is missing. If `concat` fails, all chunks have
 * failed, too; under `retry` it is called again.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 * @throws NonRetryableError in the node, as above, and if `chunk` returns something else.
 */
export function assembleChunks<In, Out>(options: AssembleChunksOptions<In, Out>): NodeDefinition<unknown, In, Out> {
  checkPlainObject(options, 'assembleChunks', 'an object of options');
  checkMembers('assembleChunks', options, { ...nodeOptions, chunk: isFunction, maxAgeMs: isMs, concat: isFunction });
  for (const name of ['chunk', 'concat'] as const)
    if (options[name] === undefined) refuse(`assembleChunks.${name}`, 'a function', undefined);
  const { chunk, maxAgeMs, concat, ...node } = options;
  isMs('assembleChunks.maxAgeMs', maxAgeMs);
  return defineNode<Chunks<In>, In, Out>({
    ...node,
    name: node.name ?? 'assembleChunks',
    keepsForMs: maxAgeMs,
    init: () => ({ objects: new Map(), completed: new Map(), dueAt: undefined }),
    handleMessage: (state, message, context) => takeChunk(options, state, message, context),
    handleTimer: (state, context) => {
      const now = timeOf(state, context.now);
      // The timer was set for the oldest object. One call fails one object: after the verdict it is called again.
      for (const [id, object] of state.objects)
        if (object.firstAt + maxAgeMs <= now)
          failed(
            state,
            id,
            new NonRetryableError(`assembleChunks: object ${show(id)} was not whole after ${maxAgeMs} ms`),
          );
      return { timerMs: timerOf(state, maxAgeMs, context.now) };
    },
    handleLost: (state, { lease }) => {
      for (const [id, object] of state.objects) {
        const { gone } = loseLease(object.holdings, lease);
        if (gone.size === 0) continue;
        object.hasLost = true;
        // The next owner processes them: they must not be parked with the rest.
        object.values = object.values.filter((_, at) => !gone.has(object.keys[at] as string));
        object.keys = object.keys.filter((key) => !gone.has(key));
        if (object.holdings.size === 0) state.objects.delete(id);
      }
      return state;
    },
  }) as NodeDefinition<unknown, In, Out>;
}

function takeChunk<In, Out>(
  { chunk, maxAgeMs, concat }: AssembleChunksOptions<In, Out>,
  state: Chunks<In>,
  message: PipeMessage<In>,
  context: NodeContext,
): MaybeLater<NodeResult<Chunks<In>, Out>> {
  const { objects, completed } = state;
  const it = checkChunk(atOnce(chunk(message.value, message), 'assembleChunks: a chunk'));
  const object = objects.get(it.id);
  const { lease } = message;
  if (isCompleted(completed, it.id, lease) || isRepeated(it, object)) return { drop: [message] };
  const reason = whyFailed(it, object);
  if (reason !== undefined) failed(state, it.id, new NonRetryableError(`assembleChunks: ${reason}`), message);

  const values = object?.values ?? [];
  if (!isWhole(it)) {
    const next: ChunkedObject<In> = object ?? {
      values,
      keys: [],
      total: it.total,
      firstAt: context.now,
      holdings: new Map(),
      hasLost: false,
    };
    const key = leasesKeyOf(message);
    values.push(message.value);
    next.keys.push(key);
    objects.set(it.id, next);
    const keep = [keepUnder(next.holdings, key, message)];
    return { keep, timerMs: timerOf(state, maxAgeMs, context.now) };
  }
  return answered(
    () => concat([...values, message.value], context),
    (value) => {
      const of: readonly Held[] = [...(object === undefined ? [] : holdingsIn(object.holdings)), message];
      objects.delete(it.id);
      rememberId(completed, it.id, { lease, now: context.now, maxAgeMs });
      return { outputs: [{ value, of }], timerMs: timerOf(state, maxAgeMs, context.now) };
    },
    (error) => failed(state, it.id, error, message),
  );
}

/** The object has failed, with the message of the call. */
function failed<In>(
  { objects, completed, dueAt }: Chunks<In>,
  id: string | number,
  error: unknown,
  message?: PipeMessage<In>,
): never {
  const object = objects.get(id);
  const held = object === undefined ? [] : holdingsIn(object.holdings);
  const others = new Map(objects);
  others.delete(id);
  throw new NodeFailure<Chunks<In>>(error, {
    of: message === undefined ? held : [...held, message],
    state: { objects: others, completed, dueAt },
    values: [...(object?.values ?? []), ...(message === undefined ? [] : [message.value])],
  });
}

const timerOf = <In>(state: Chunks<In>, forMs: number, now: number): number | null | undefined =>
  setTimer(state, state.objects.values().next().value?.firstAt, { forMs, now });
