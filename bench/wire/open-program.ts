// Holds records open in a consumer, in a process of its own with `--expose-gc`, and prints how many bytes they keep, as one JSON object. An
// open record is one that a reducer with manual acknowledgement has got and not acknowledged. The reducer keeps nothing itself. Called by
// open-records.ts.
import { setTimeout as pause } from 'node:timers/promises';
import { createConsumer, defineReducer, kinesisStream } from '../../src/index.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { unlimited } from './kinact-side.js';
import { stubTransport } from './transport.js';
import { createWorkload, shapes } from './workload.js';

/** What the program is given. */
export interface OpenTask {
  readonly records: number;
}

export interface OpenFigures {
  readonly records: number;
  /** Bytes of the data of one record. */
  readonly dataBytes: number;
  /** Heap and external bytes that came with the open records and everything around them. */
  readonly keptBytes: number;
}

/** Garbage of an earlier turn of the event loop is collected too. */
async function usedBytes(): Promise<number> {
  for (let turn = 0; turn < 4; turn += 1) {
    globalThis.gc?.();
    await pause(50);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function measured({ records: asked }: OpenTask): Promise<OpenFigures> {
  if (globalThis.gc === undefined) throw new Error('open records are measured with --expose-gc');
  const shape = shapes[0]!;
  const workload = createWorkload(shape, { records: asked });
  void workload.bodies;
  let handedOut = 0;
  let allHandedOut = (): void => {};
  const everything = new Promise<void>((resolve) => (allHandedOut = resolve));
  const consumer = createConsumer({
    logger: false,
    application: 'bench',
    source: unlimited(
      kinesisStream({ streamName: 'bench', client: stubTransport(workload).kinactClient() }),
      memoryLeaseStore(),
    ),
    reducers: 4,
    maxPending: 65_536,
    maxPendingBytes: 2 ** 30,
    maxBytes: 2 ** 30,
    reducer: defineReducer({
      init: () => 0,
      acknowledge: 'manual',
      reduce(count: number) {
        handedOut += 1;
        if (handedOut === workload.records) allHandedOut();
        return count + 1;
      },
    }),
  });
  const before = await usedBytes();
  await consumer.start();
  await everything;
  const keptBytes = (await usedBytes()) - before;
  return { records: workload.records, dataBytes: shape.dataBytes, keptBytes };
}

console.log(JSON.stringify(await measured(JSON.parse(process.argv[2] ?? '') as OpenTask)));
process.exit();
