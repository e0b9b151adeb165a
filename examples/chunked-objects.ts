// Objects that are too large for one record come in chunks, and a pipe makes them whole. One object misses a chunk: it is never sent on in
// parts. It fails as a whole, and the policy skips its chunks. A chunk that the producer has sent twice is dropped.
// Run: npm run example -- chunked-objects
import { createConsumer, kinesisStream, pipe, retry, runUntilSignal } from 'kinact';
import { localStreams } from './support/local-stream.js';

interface Part {
  readonly id: string;
  readonly index: number;
  readonly total: number;
  readonly text: string;
}

// The partition key is the object's id. So its chunks come from one shard, in order, and to one pipe.
const chunksOf = (id: string): readonly Part[] =>
  ['one ', 'large ', 'object'].map((text, at) => ({ id, index: at + 1, total: 3, text }));
const complete = Array.from({ length: 40 }, (_, n) => `object-${n}`);
const [first, , last] = chunksOf('broken');
const repeated = chunksOf('object-7')[0];
const parts = [...complete.flatMap(chunksOf), repeated, first, last].filter((part) => part !== undefined);

await using streams = await localStreams('parts');
await streams.put(
  'parts',
  parts.map((part) => ({ key: part.id, data: JSON.stringify(part) })),
);
const objects = new Map<string, string>();
let skipped = 0;
let check = (): void => {};
const done = new Promise<void>((resolve) => {
  check = () => (objects.size === complete.length && skipped === 2 ? resolve() : undefined);
});

const consumer = createConsumer({
  application: 'chunked-objects',
  source: kinesisStream({ streamName: 'parts' }),
  pipe: pipe()
    .map((bytes) => JSON.parse(bytes.toString()) as Part)
    .assembleChunks({
      chunk: (part) => part,
      maxAgeMs: 10_000,
      concat: (all) => ({ id: all[0]?.id ?? '', text: all.map(({ text }) => text).join('') }),
    })
    .to(({ id, text }) => {
      objects.set(id, text);
      check();
    }),
  onFailure: retry({ then: 'skip' }), // a missing chunk is a NonRetryableError, so `then` applies at once
  logger: false,
});
consumer.on('recordSkipped', ({ key, error }) => {
  skipped += 1;
  console.log(`skipped a chunk of ${key}: ${String(error)}`);
  check();
});
void done.then(() => consumer.stop());
const { drained } = await runUntilSignal(consumer);
const whole = [...objects.values()].filter((text) => text === 'one large object').length;
console.log(`chunked-objects: ${whole} whole objects, ${skipped} chunks of a broken one skipped, drained: ${drained}`);
