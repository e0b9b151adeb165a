// The benchmark of many shards: both sides get the same records and come in turns, and its last line has the ratios.
import { expect } from 'chai';
import { manyShards } from '../../bench/many-shards.js';
import { runSide, type ShardsCase } from '../../bench/many-shards-side.js';

describe('the benchmark of many shards', function () {
  this.timeout(60_000);

  it('runs the two sides of each case in turns, with the same records, and prints the ratios', async () => {
    const asked: ShardsCase[] = [];
    const printed: string[] = [];
    const output = { stdout: (text: string) => printed.push(text), stderr: () => undefined };
    const code = await manyShards(['--records', '7', '--runs', '1'], output, async (side) => {
      asked.push(side);
      const used = asked.length % 2 === 1 ? 3 : 2;
      return { shards: 1, records: 7, cpuMs: used, rssBytes: used * 2 ** 20, startMs: 1 };
    });
    expect(code).to.equal(0);
    expect(asked.map(({ streams, shards, records }) => [streams, shards, records])).to.deep.equal([
      [50, 1, 7],
      [1, 50, 7],
      [1, 2_000, 7],
      [1, 50, 7],
    ]);
    expect(printed.at(-1)).to.match(
      /^bench: ok, 50 streams .*: CPU 1\.50, RSS 1\.50; 2,000 shards .*: CPU 1\.50, RSS 1\.50\n$/,
    );
  });

  for (const kind of ['kinesis', 'table'] as const)
    it(`reads every record of a small case: ${kind}`, async () => {
      const side = await runSide({ kind, streams: 2, shards: 3, records: 30, seconds: 1 });
      expect(side).to.include({ shards: 6, records: 30 });
      expect(side.cpuMs).to.be.above(0);
    });
});
