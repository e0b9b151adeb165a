// Scenarios in which a consumer that runs gets more sources, or fewer. The other sources have no records: the oracle knows one stream.
import type { AnySource } from '../../src/api/source.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { feed, type Scenario } from './scenario.js';
import type { World } from './world.js';

function other({ clock }: World, name: string, more: Partial<AnySource> = {}): AnySource {
  return { ...fakeStream({ name, application: `${name}-leases`, shards: 2, clock }).source, ...more };
}

/** The promises of a consumer that is killed meanwhile may be rejected. */
const unheeded = (promise: Promise<unknown>): void => void promise.catch(() => undefined);

export const sourceChanges: readonly Scenario[] = [
  {
    name: 'sources are added and removed',
    form: 'flushes',
    ms: 9_000,
    options: { leases: { startDeadlineMs: 1_500 } },
    script: (world, { consumer, name }) => {
      const { at } = world;
      feed(world, 8_000);
      at(1_000, () => unheeded(consumer.addSource(other(world, 'more'))));
      at(2_500, () => unheeded(consumer.removeSource('more', { deadlineMs: 1_000 })));
      const { source } = fakeStream({ name: 'down', clock: world.clock });
      const open: AnySource['open'] = (environment) => ({
        ...source.open(environment),
        describe: () => Promise.reject(new Error('down')),
      });
      at(3_000, () => unheeded(consumer.addSource(other(world, 'down', { open }))));
      at(5_000, () => unheeded(consumer.removeSource(world.stream.source.name, { deadlineMs: 1_000 })));
      const back = (): void => {
        if (consumer.status().state !== 'running') return;
        // A removal that takes longer is waited for.
        consumer.addSource(world.source(name)).catch((error: { readonly code?: string }) => {
          if (error.code === 'START_TIMEOUT') at(100, back);
        });
      };
      at(6_500, back);
    },
  },
];
