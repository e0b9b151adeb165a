// What the consumers of a world say: their events are kept, and the laws about events are told.
import type { ConsumerEventName, ConsumerEvents } from '../../src/api/events.js';
import { levels } from '../../src/consumer/log-line.js';
import { beyondTip } from './stream-log.js';
import type { Process, World } from './world.js';

/** Keeps all events except checkpoints: they must name every lost item, and every shard that stands still. */
export function listen({ clock, events, layout, oracle, parkingKeys }: World, { machine, consumer }: Process): void {
  consumer.on('checkpoint', ({ source, shardId, sequenceNumber, subSequenceNumber }) => {
    if (machine.alive) oracle.told(layout.nameOf(source, shardId, sequenceNumber), sequenceNumber, subSequenceNumber);
  });
  for (const name of Object.keys(levels) as ConsumerEventName[]) {
    if (name === 'checkpoint') continue;
    consumer.on(name, (data: object) => {
      const { source, shardId, sequenceNumber, table, leaseKey } = data as Partial<Record<string, string>>;
      const named =
        source !== undefined && shardId !== undefined
          ? layout.nameOf(source, shardId, sequenceNumber)
          : table !== undefined && leaseKey !== undefined
            ? layout.nameOfRow(table, leaseKey, undefined)
            : undefined;
      if (name === 'itemParked') parkingKeys.told((data as ConsumerEvents['itemParked']).idempotencyKey);
      if (name === 'pipelineRestarted') oracle.restarted(machine.name);
      events.push({ at: clock.now(), process: machine.name, name, shardId: named, data });
      if (name === 'checkpointBeyondTip' && (data as ConsumerEvents['checkpointBeyondTip']).checkpoint !== beyondTip)
        oracle.violate('I65', `${machine.name}: ${JSON.stringify(data)}`);
      if (name === 'leaseUnread' && named !== undefined && machine.alive)
        oracle.unread(machine.name, named, String((data as { readonly reason?: string }).reason));
    });
  }
}
