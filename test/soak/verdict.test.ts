// The soak's verdict and its tally of lost records, on made-up runs. Both must be able to fail.
import { expect } from 'chai';
import { openTally } from './tally.js';
import { handleSlack, judge, type Judged, type Sample } from './verdict.js';

const quiet: Omit<Sample, 'atMs' | 'heapBytes' | 'handles'> = {
  ...{
    rssBytes: 90e6,
    codeBytes: 2e6,
    lagP99Ms: 12,
    actors: 20,
    effects: 3,
    shards: 2,
    openRecords: 10,
    restarts: 0,
    records: 1_000,
  },
};

/** A run with one sample a minute. All values that the functions do not give stay the same. */
function run(
  minutes: number,
  heapBytes: (minute: number) => number = () => 15e6,
  sockets: (minute: number) => number = () => 4,
): Judged {
  const samples = Array.from({ length: minutes }, (_, index): Sample => {
    const minute = index + 1;
    const handles = { PipeWrap: 1, TCPSocketWrap: sockets(minute) };
    return { ...quiet, atMs: minute * 60_000, heapBytes: heapBytes(minute), handles };
  });
  return {
    ...{ minutes, samples, records: 24_000, lost: 0, replayed: 300, faults: 9 },
    interrupted: false,
    failures: [],
  };
}

describe('the verdict of a soak', () => {
  it('passes a run without loss or growth, and says so in one line', () => {
    const { ok, line } = judge(run(60));
    expect(ok).to.equal(true);
    expect(line).to.equal(
      'soak: 60 minutes, 24000 records, 0 lost, 300 replayed, 9 faults, heap +0.0 % since minute 5 (+0.0 % without compiled code), handles 5 -> 5',
    );
  });

  it('fails a heap that grows by 1/40 a minute, and passes one that grows by 1/2000', () => {
    const leaking = judge(run(15, (minute) => 15e6 * (1 + minute / 40)));
    expect(leaking.ok).to.equal(false);
    expect(leaking.violations).to.deep.equal(['the heap grew by more than 10 %']);
    expect(leaking.line).to.match(/^soak: FAILED \(the heap grew .*heap \+20\.0 % since minute 5/);
    expect(judge(run(15, (minute) => 15e6 * (1 + minute / 2_000))).ok).to.equal(true);
  });

  it('ignores growth in the first minutes, and a single high sample', () => {
    const warming = run(12, (minute) => (minute < 4 ? 5e6 : minute === 11 ? 40e6 : 15e6));
    expect(judge(warming)).to.include({ ok: true, heapGrowth: 0 });
  });

  it('fails a run that leaves one handle open a minute', () => {
    const { violations } = judge(run(40, undefined, (minute) => minute));
    expect(violations).to.deep.equal([`more than ${handleSlack} handles more than at minute 5`]);
  });

  it('reports missing records of an interrupted run as not seen yet, not as lost', () => {
    const { ok, line } = judge({ ...run(60), lost: 12, interrupted: true, failures: ['interrupted'] });
    expect(ok).to.equal(false);
    expect(line).to.match(/^soak: FAILED \(interrupted\), 60 minutes, 24000 records, 12 not seen yet, /);
  });

  it('fails a run that lost one record, even if all else is well', () => {
    const { ok, line } = judge({ ...run(60), lost: 1 });
    expect(ok).to.equal(false);
    expect(line).to.include('FAILED (1 lost)');
  });

  it('gives no verdict on the heap of a short run, and says so', () => {
    const verdict = judge(run(9, (minute) => minute * 15e6));
    expect(verdict.ok).to.equal(true);
    expect(verdict).to.not.have.property('heapGrowth');
    expect(verdict.line).to.include('no verdict below 10 minutes');
  });

  it('fails a long run with too few samples', () => {
    expect(judge({ ...run(30), samples: run(4).samples }).ok).to.equal(false);
    expect(judge({ ...run(30), samples: [] }).ok).to.equal(false);
  });
});

describe('the tally of a soak', () => {
  it('misses exactly the ids that were written and not seen, in any order of arrival', () => {
    const tally = openTally();
    tally.write(1_000, 1);
    tally.write(1_000, 2);
    const gap = new Set([0, 17, 999, 1_000, 1_998]);
    const ids = Array.from({ length: 2_000 }, (_, id) => id).filter((id) => !gap.has(id));
    for (const id of ids.toReversed()) tally.see(id);
    expect(tally.missing).to.equal(5);
    expect(tally.firstMissing(3)).to.deep.equal([0, 17, 999]);
    expect(tally.oldestMissingAtMs).to.equal(1);
    for (const id of [999, 17, 0]) tally.see(id);
    expect([tally.missing, tally.oldestMissingAtMs]).to.deep.equal([2, 2]);
    for (const id of [1_998, 1_000]) tally.see(id);
    expect([tally.missing, tally.oldestMissingAtMs, tally.seen]).to.deep.equal([0, undefined, 2_000]);
  });

  it('counts an id that is seen again as replayed, and not as seen', () => {
    const tally = openTally();
    tally.write(10, 1);
    for (const id of [0, 1, 2, 5, 5, 0, 2]) tally.see(id);
    expect([tally.seen, tally.replayed, tally.missing]).to.deep.equal([4, 3, 6]);
  });

  it('counts a gap even if later ids are seen before their write is confirmed', () => {
    const tally = openTally();
    tally.write(2, 1);
    for (const id of [1, 2, 3]) tally.see(id);
    expect(tally.missing).to.equal(1);
  });
});
