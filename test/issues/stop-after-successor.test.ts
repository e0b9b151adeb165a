// Symptom: `stop()` reported `drained: true` (and `runUntilSignal` exit code 0), although leases were still this worker's, or were
// released with records open. There were three causes. A coordinator that had just been started again answered before it had looked
// for the leases of its predecessor. A lease whose keeper had died was forgotten. A keeper that took over its own worker's lease
// mistook a shard without a worker for one without open records.
import { expect } from 'chai';
import { feed, kill, type Scenario } from '../kill-points/scenario.js';
import { run } from '../kill-points/run.js';

/** Kills an actor at 2,200 ms, with records that are acknowledged a second later. */
const struckAt = (kind: string, stopAfterMs: number): Scenario => ({
  name: 'a stop soon after a crash',
  form: 'by hand',
  ms: 4_000,
  script: (harness, struck) => {
    feed(harness, 2_200);
    harness.at(1_500, () => (harness.trouble.callMs = 1_000));
    harness.at(2_200, () => {
      kill(struck, kind);
      harness.at(stopAfterMs, () => harness.stop(struck));
    });
  },
});

describe('a stop soon after a crash', () => {
  for (const [kind, delaysMs] of [
    ['lease-coordinator', [0, 5, 10, 15, 20, 21, 22, 25, 30]],
    ['lease-keeper', [0, 5, 100, 500]],
  ] as const) {
    it(`reports drained only if everything was drained (crash of a ${kind})`, async () => {
      for (const delayMs of delaysMs) {
        const { complaints, report } = await run(struckAt(kind, delayMs), () => () => {});
        expect(complaints, `${delayMs} ms later`).to.deep.equal([]);
        if (delayMs <= 5) expect(report?.drained).to.equal(false);
      }
    });
  }

  it('reports the lease of a crashed lease keeper as not released, with recordsLeft -1', async () => {
    const { report } = await run(struckAt('lease-keeper', 5), () => () => {});
    expect(report?.leases.map(({ released, recordsLeft }) => [released, recordsLeft])).to.deep.include([false, -1]);
  });
});
