// A scenario with the hooks of shards: they are slow, fail, and take longer than their deadline. Whichever actor dies meanwhile (I59):
// no item of a tenure comes before its `onShardStarted` has succeeded. `onShardEnded` comes when every item of the shard is done, no
// item of the shard comes after its success, and SHARD_END never comes before it.
import type { EndedShard, StartedShard } from '../../src/api/options.js';
import { feed, type Scenario } from './scenario.js';
import type { World } from './world.js';

export interface HookTrouble {
  /** How long a call of a hook takes, and how many of the next ones fail. */
  ms: number;
  fails: number;
}

export interface Hooks {
  onShardStarted(shard: StartedShard): Promise<void>;
  onShardEnded(shard: EndedShard): Promise<void>;
  /** An item is handed out. */
  delivered(shardId: string, fence: number): void;
  /** The event `shardEnded`: the row is at SHARD_END. */
  rowEnded(shardId: string): void;
}

/** The hooks of one process. `ended` has the shards whose `onShardEnded` has succeeded in any process. */
export function hooksOf(
  { oracle, trouble, shardOf }: Pick<World, 'oracle' | 'trouble' | 'shardOf'>,
  ended: Set<string>,
  pause: (ms: number) => Promise<void>,
): Hooks {
  const started = new Set<string>();
  const work = async (name: string): Promise<void> => {
    const { ms, fails } = trouble.hooks;
    trouble.hooks.fails = Math.max(0, fails - 1);
    await pause(ms);
    if (fails > 0) throw new Error(`${name} fails`);
  };
  return {
    async onShardStarted({ shardId, fence }) {
      await work('onShardStarted');
      started.add(`${shardId} ${fence}`);
    },
    async onShardEnded({ shardId }) {
      const open = oracle.missing().filter((id) => shardOf.get(id) === shardId);
      if (open.length > 0)
        oracle.violate('I59', `onShardEnded of ${shardId} came while ${open.length} of its items were not done`);
      await work('onShardEnded');
      ended.add(shardId);
    },
    delivered(shardId, fence) {
      if (!started.has(`${shardId} ${fence}`))
        oracle.violate('I59', `an item of ${shardId} (fence ${fence}) came before onShardStarted had succeeded`);
      if (ended.has(shardId)) oracle.violate('I59', `an item of ${shardId} came after onShardEnded had succeeded`);
    },
    rowEnded(shardId) {
      if (!ended.has(shardId)) oracle.violate('I59', `${shardId} is at SHARD_END, and onShardEnded has not succeeded`);
    },
  };
}

export const hooked: readonly Scenario[] = [
  {
    name: 'hooks of shards are slow and fail',
    form: 'flushes',
    ms: 9_000,
    hooks: true,
    options: { callDeadlineMs: 600 },
    script: (world) => {
      const { at, stream, trouble } = world;
      trouble.hooks.fails = 3;
      feed(world, 8_000);
      at(1_500, () => void stream.split('shardId-000000000000'));
      // Longer than a call may take before its signal aborts.
      at(2_500, () => (trouble.hooks.ms = 900));
      at(3_000, () => void stream.split('shardId-000000000001'));
      at(4_500, () => (trouble.hooks.ms = 20));
      at(5_000, () => {
        trouble.hooks.fails = 2;
        stream.split('shardId-000000000002');
      });
    },
  },
];
