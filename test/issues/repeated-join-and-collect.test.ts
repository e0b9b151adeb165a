// Symptom: an `intercept` that delivers messages twice (tracing, fault injection) stopped the checkpoint until the watchdog
// restarted the pipeline. A reducer was sent more items than it had granted, and records were folded twice. Cause: only `items` and
// `disposed` were numbered. A repeated `collect` replaced the next one, so what settled then answered a closed question. A repeated
// `join` granted credit again.
import { expect } from 'chai';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { gate } from '../support/gate.js';
import { pipelines, putNumbered, shard0 } from '../support/pipeline-probes.js';
import type { Delivery } from '../../supervision/intercept.js';

const start = pipelines();
const typeOf = ({ message }: Delivery): string => (message as { type: string }).type;

describe('a message that comes twice', () => {
  it('does not keep later settled records from the keeper (collect)', async () => {
    const stream = fakeStream();
    const pipeline = start({
      reducers: 1,
      definition: defineReducer({ init: () => 0, reduce: (n: number) => pipeline.sleep(5).then(() => n + 1) }),
      runtime: {
        intercept: {
          // The answer has been sent by the time the question comes again.
          deliver: (delivery, go) => {
            go();
            if (typeOf(delivery) === 'collect') pipeline.clock.after(6, go);
          },
        },
      },
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    const numbers: string[] = [];
    for (let n = 0; n < 20; n += 1) {
      numbers.push(...putNumbered(stream, 1, () => 'k', n));
      await pipeline.clock.advance(5);
    }
    await pipeline.clock.advance(1_000);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers.at(-1));
  });

  it('does not send a reducer more items than it has granted (join)', async () => {
    const stream = fakeStream();
    putNumbered(stream, 5);
    const held = gate();
    const pipeline = start({
      reducers: 1,
      credit: 1,
      definition: defineReducer({ init: () => 0, reduce: (n: number) => held.opened.then(() => n) }),
      runtime: {
        intercept: {
          // The reducer joins, twice, when items already wait for it.
          deliver: (delivery, go) => {
            if (typeOf(delivery) === 'join') setTimeout(() => (go(), go()), 10);
            else go();
          },
        },
      },
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(50);
    expect(pipeline.status(pipeline.reducers[0]!)).to.include({ doing: 'reduce', queued: 0 });
    expect(pipeline.status(pipeline.stages[0]!))
      .to.have.property('queues')
      .that.deep.equals([{ reducer: 0, queued: 4, credit: 0 }]);
    held.open();
  });
});
