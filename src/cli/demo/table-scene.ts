// The demo on a DynamoDB table of the scripted server: each record is a write to one of 97 items, so most changes are MODIFY. The server
// runs in the demo's process. No local server but this one has shards that roll over. Called by demo.ts.
import { sleep } from '../../aws/sleep.js';
import { hostEnvironment } from '../../consumer/host-environment.js';
import type { ScriptedServer } from '../../testing/scripted-server/scripted-server.js';
import { tableName } from './messages.js';
import type { Scene, WriteOrder } from './scene.js';
import type { Writer } from './writer.js';

/** How many items there are: enough for any two shards. */
const items = 97;
const perRound = 200;

export function tableScene({ tables }: Pick<ScriptedServer, 'tables'>): Scene {
  return {
    source: 'table',
    prepare: async () => void tables.createTable(tableName, { shards: 2 }),
    write: async (order) => {
      const writer: Writer = {
        limit: order.limit,
        counts: { aggregates: 0, ofSeveralShards: 0 },
        done: Promise.resolve(),
      };
      return Object.assign(writer, { done: writeItems(order, writer, (id) => put(id)) });
    },
    shards: async () => tables.openShards(tableName).map((shardId) => ({ shardId })),
    split: async (shardId) => tables.rollShard(tableName, shardId, 2),
    rollOver: () => tables.rollShard(tableName),
    close() {},
  };

  function put(id: number): void {
    tables.put(tableName, { id: { S: `order-${id % items}` }, record: { N: String(id) } });
  }
}

async function writeItems(
  { total, perSecond, accepted, signal }: WriteOrder,
  writer: Pick<Writer, 'limit'>,
  put: (id: number) => void,
): Promise<void> {
  const roundMs = (perRound / perSecond) * 1_000;
  for (let next = 0; next < total;) {
    const count = Math.max(0, Math.min(perRound, writer.limit - next, total - next));
    const ids = Array.from({ length: count }, (_, index) => next + index);
    for (const id of ids) put(id);
    accepted(ids);
    next += count;
    await sleep(hostEnvironment.timers, roundMs, signal, 'writing');
  }
}
