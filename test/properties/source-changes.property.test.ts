// However sources are added and removed while actors crash, tables fail and the consumer stops: nothing is lost, nothing of a source
// goes to the code after its removal, its leases are released, and every promise settles. The title has the seed.
import { expect } from 'chai';
import fc from 'fast-check';
import { drawn, drawnAgain, live } from '../support/changing-sources.js';

const seed = Number(process.env['KINACT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env['KINACT_RUNS'] ?? 40);

describe(`a consumer whose sources come and go (KINACT_SEED=${seed})`, function () {
  this.timeout(120_000);

  it('loses nothing, delivers nothing of a removed source, and releases its leases', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (given) => {
        expect((await live(given)).join('; ')).to.equal('');
      }),
      { seed, numRuns },
    );
  });

  it('releases what a keeper was taking again when its coordinator died for the second time', async () => {
    const steps = [
      { step: { type: 'again', name: 'a', ms: 16 }, afterMs: 15, deadlineMs: 0 },
      { step: { type: 'outage', name: 'a', ms: 31 }, afterMs: 60, deadlineMs: 0 },
      { step: { type: 'again', name: 'b', ms: 0 }, afterMs: 1, deadlineMs: 0 },
    ] as const;
    expect((await live({ seed: 0, steps })).join('; ')).to.equal('');
  });

  it('reads a source that is added again at once, though its first addition notices the removal only later', async () => {
    await fc.assert(
      fc.asyncProperty(drawnAgain, async (given) => {
        expect((await live(given)).join('; ')).to.equal('');
      }),
      { seed, numRuns: Math.ceil(numRuns / 2) },
    );
  });
});
