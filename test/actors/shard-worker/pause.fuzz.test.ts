// Shard workers are paused and resumed at random times. When a worker has ended, the next one starts at its frontier. Every record is
// delivered once, and no worker stays paused. FUZZ_FIRST and FUZZ_SEEDS choose the seeds.
import { expect } from 'chai';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { unpackRecord } from '../../../src/aws/aggregation/aggregate.js';
import { createByteBudget } from '../../../src/core/byte-budget.js';
import { envelope, message } from '../../support/aggregate-bytes.js';
import { pipelines, shard0 } from '../../support/pipeline-probes.js';
import { seeded } from '../../support/virtual-consumer.js';

const start = pipelines();
const seeds = Number(process.env['FUZZ_SEEDS'] ?? 60);
const first = Number(process.env['FUZZ_FIRST'] ?? 1);

describe('shard workers that are paused and resumed', () => {
  for (let seed = first; seed < first + seeds; seed++)
    it(`deliver every record once (seed ${seed})`, async () => {
      const random = seeded(seed);
      const pick = (n: number): number => Math.floor(random.next() * n);
      const stream = fakeStream({ maxRecords: 1 + pick(8) });
      const manual = pick(4);
      const waiting: (() => void)[] = [];
      const seen: string[] = [];
      let running = 0;
      const calls: string[] = [];
      // eslint-disable-next-line prefer-const -- the calls that it makes use it
      let pipeline!: ReturnType<typeof start>;
      const taken = (item: { value: Uint8Array }): void => void seen.push(Buffer.from(item.value).toString());
      const work = async (): Promise<void> => {
        running += 1;
        await pipeline.sleep(1 + pick(200));
        running -= 1;
      };
      const slow = (): boolean => random.next() < 0.2;
      const definition =
        manual === 0
          ? defineReducer({
              init: () => 0,
              reduce: (n: number, item) => {
                taken(item);
                return slow() ? work().then(() => n) : n;
              },
            })
          : manual === 1
            ? defineReducer({
                init: () => 0,
                acknowledge: 'manual',
                reduce: (n: number, item, ctx) => {
                  taken(item);
                  const kind = pick(4);
                  if (kind === 0) {
                    ctx.ack(item.token);
                    return work().then(() => n);
                  }
                  if (kind === 1) waiting.push(() => ctx.ack(item.token));
                  else ctx.ack(item.token);
                  return n;
                },
              })
            : manual === 2
              ? defineReducer({
                  init: () => 0,
                  batch: { size: 7, intervalMs: 1e9 },
                  reduce: (n: number, item) => (taken(item), n + 1),
                  flush: (n: number) => (slow() ? work().then(() => n) : n),
                })
              : defineReducer({
                  init: () => 0,
                  behaviour: async (state: number, msg: any, ctx: any) => {
                    if (msg.type === 'items')
                      for (const item of msg.items) {
                        taken(item);
                        waiting.push(() => ctx.ack(item.token));
                      }
                    if (msg.type === 'drain' || msg.type === 'flush') for (const ack of waiting.splice(0)) ack();
                    // `revoked` reports the end itself, and neither message is about a record.
                    if (msg.type === 'revoked' || msg.type === 'heartbeat') return state;
                    if (slow()) {
                      calls.push(`${pipeline.clock.now()}+${msg.type}`);
                      await work();
                      calls.push(`${pipeline.clock.now()}-${msg.type}`);
                    }
                    return state;
                  },
                } as never);
      pipeline = start({
        definition,
        reducers: 1 + pick(3),
        stages: 1 + pick(3),
        credit: 2 + pick(20),
        shardWorker: {
          maxPending: 1 + pick(12),
          spread: pick(2) === 0 ? 'round-robin' : 'by-shard',
          ...(pick(3) === 0 ? { budget: createByteBudget(200 + pick(2_000)) } : {}),
        },
      });
      const { port } = stream;
      const source = { ...port, unpack: (record: any) => unpackRecord(record, undefined as never, 'deliver' as never) };
      let put = 0;
      const names: string[] = [];
      const name = (): string => {
        const made = `r${put++}`;
        names.push(made);
        return made;
      };
      const more = (): void => {
        for (let n = pick(6); n > 0; n--) {
          const partitionKey = `k${pick(9)}`;
          if (pick(4) === 0) {
            const records = Array.from({ length: 1 + pick(10) }, () => ({ pk: 0, data: name() }));
            stream.put({ partitionKey, data: envelope(message([partitionKey], records), 'kpl') });
          } else stream.put({ partitionKey, data: name() });
        }
      };
      let reader = pipeline.read(source as never, shard0);
      let paused = false;
      let from: any;
      const trace: string[] = [];
      let number = 0;
      const control = (type: string): void => {
        const tenure = reader.keeper.tenures[0];
        if (tenure === undefined) return;
        trace.push(`${pipeline.clock.now()} ${type}`);
        if (type === 'pause') number += 1;
        pipeline.tell(reader.shardWorker, { type, fence: tenure.fence, number });
      };
      const follow = (): void => {
        if (reader.keeper.ends.length === 0) return;
        from = reader.keeper.frontiers.at(-1)?.position ?? from;
        if (paused)
          expect(
            running,
            `calls that run beside the hand-over; manual ${manual} ${calls.join(',')}; ${trace.join(', ')}`,
          ).to.equal(0);
        const newest = reader.keeper.tenures[0]!.newestHandedOut;
        if (newest !== undefined) expect(from, 'frontier').to.deep.equal(newest);
        paused = false;
        trace.push(`${pipeline.clock.now()} next`);
        reader = pipeline.read(
          source as never,
          shard0,
          from === undefined ? undefined : { type: 'after', position: from },
        );
      };
      const ackSome = (): void => {
        for (const ack of waiting.splice(0, pick(waiting.length + 1))) ack();
      };
      for (let round = 0; round < 60; round++) {
        if (pick(2) === 0) more();
        if (pick(2) === 0) ackSome();
        if (pick(3) === 0) {
          control(paused ? 'resume' : 'pause');
          paused = !paused;
        }
        await pipeline.clock.advance(pick(3) === 0 ? 0 : pick(150));
        follow();
      }
      if (paused) control('resume');
      paused = false;
      for (let round = 0; round < 400; round++) {
        for (const ack of waiting.splice(0)) ack();
        if (round % 10 === 9 && manual === 2) control('drain');
        await pipeline.clock.advance(2_000);
        follow();
      }
      const twice = seen.filter((each, index) => seen.indexOf(each) !== index);
      expect(twice, `twice; ${trace.join(', ')}`).to.deep.equal([]);
      expect(
        names.filter((each) => !seen.includes(each)),
        `lost or stalled; manual ${manual}; ${trace.join(', ')}`,
      ).to.deep.equal([]);
    });
});
