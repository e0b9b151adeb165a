// The benchmark of retrieval measures both ways in one run.
import { expect } from 'chai';
import { retrieval } from '../../bench/retrieval.js';

describe('the benchmark of retrieval', function () {
  this.timeout(60_000);

  it('measures the same puts by both ways, and prints their ratio', async () => {
    let printed = '';
    const output = { stdout: (text: string) => (printed += text), stderr: () => {} };
    expect(await retrieval(['--json', '--puts', '3'], output)).to.equal(0);
    const { figures, ratio } = JSON.parse(printed) as {
      readonly figures: readonly { readonly way: string; readonly arrived: number; readonly p50: number }[];
      readonly ratio: { readonly p50: number };
    };
    expect(figures.map(({ way, arrived }) => [way, arrived])).to.deep.equal([
      ['fan-out', 3],
      ['polling', 3],
    ]);
    expect(ratio.p50).to.equal(figures[1]!.p50 / figures[0]!.p50);
  });
});
