// Helpers for tests of the pipeline: pipelines that are stopped even if the test fails, numbered records, reducers that
// collect, and a record of the messages between actors.
import { startPipeline, type Pipeline, type PipelineOptions } from './pipeline.js';
import { defineReducer, type Item } from '../../src/api/reducer.js';
import type { FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import type { Delivery } from '../../supervision/intercept.js';

export const shard0 = 'shardId-000000000000';

/** Returns a function that starts pipelines, which are stopped after the test. One at a time, because they replace the host's timers. */
export function pipelines(): (options: PipelineOptions) => Pipeline {
  const started: Pipeline[] = [];
  afterEach(async () => {
    for (const pipeline of started.splice(0).toReversed()) await pipeline.stop();
  });
  return (options) => {
    const pipeline = startPipeline(options);
    started.push(pipeline);
    return pipeline;
  };
}

/** Puts `count` records with their numbers as data; returns their sequence numbers. */
export function putNumbered(
  stream: FakeStream,
  count: number,
  keyOf: (index: number) => string = (index) => `k${index}`,
  from = 0,
): string[] {
  const records = Array.from({ length: count }, (_, index) => ({
    partitionKey: keyOf(from + index),
    data: String(from + index),
  }));
  return stream.put(...records).map(({ sequenceNumber }) => sequenceNumber);
}

/** The number of a record of `putNumbered`. */
export function numberOf(item: Pick<Item, 'value'> | { readonly data: Uint8Array }): number {
  return Number(Buffer.from('data' in item ? item.data : (item.value as Uint8Array)).toString());
}

export interface Seen {
  readonly type: string;
  readonly to: string;
  readonly message: any;
}

/** Records every message between actors when it is sent. */
export function wiretap(): { readonly seen: Seen[]; readonly deliver: (mail: Delivery, go: () => void) => void } {
  const seen: Seen[] = [];
  return {
    seen,
    deliver: ({ to, message }, go) => {
      seen.push({ type: (message as { type: string }).type, to: to.path, message });
      go();
    },
  };
}

/** A reducer that collects the numbers of its items. It waits for what `before` returns. */
export function collecting(into: number[], before: (n: number, reducer: number) => unknown = () => undefined) {
  return defineReducer({
    init: () => 0,
    reduce: (count: number, item, ctx) => {
      const n = numberOf(item);
      const wait = before(n, ctx.reducer);
      into.push(n);
      return wait === undefined ? count + 1 : (wait as Promise<void>).then(() => count + 1);
    },
  });
}
