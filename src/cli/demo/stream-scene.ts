// The demo on a Kinesis stream of the local server: half of the user records are in KPL aggregates. Called by demo.ts.
import { kinesisProducer } from '../../aws/kinesis/kinesis-producer.js';
import { streamAdmin } from '../../aws/kinesis/stream-admin.js';
import { hostEnvironment } from '../../consumer/host-environment.js';
import { streamName } from './messages.js';
import type { Scene } from './scene.js';
import { startWriter, type Packer } from './writer.js';

export function streamScene(packer: Packer, signal: AbortSignal): Scene {
  const admin = streamAdmin(streamName, hostEnvironment, signal);
  const producer = kinesisProducer({ streamName, ...hostEnvironment });
  return {
    source: 'stream',
    prepare: () => admin.create(2),
    write: async (order) => startWriter({ ...order, producer, packer, shards: await admin.shards() }),
    shards: () => admin.shards(),
    split: (shardId) => admin.split(shardId),
    close() {
      admin.close();
      producer.close();
    },
  };
}
