// However sources are added and removed while actors crash, tables fail and the consumer stops: nothing is lost, nothing of a source
// goes to the code after its removal, its leases are released, and every promise settles. The title has the seed.
import { expect } from 'chai';
import fc from 'fast-check';
import { drawn, live } from '../support/changing-sources.js';

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
});
