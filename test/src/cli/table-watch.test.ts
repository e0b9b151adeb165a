// A table stands still only if no row was changed, added or removed in the whole time that it was watched.
import { expect } from 'chai';
import { firstChangedRow, type TablePicture } from '../../../src/cli/table-watch.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

/** What `firstChangedRow` finds in 30 s in a table that is changed at the times given. */
async function moveIn(
  before: TablePicture,
  changes: readonly (readonly [number, TablePicture])[],
): Promise<{ key: string | undefined; atMs: number }> {
  const clock = new ManualClock();
  const began = clock.now();
  let table = before;
  for (const [ms, picture] of changes) clock.after(ms, () => void (table = picture));
  let found: { key: string | undefined; atMs: number } | undefined;
  void firstChangedRow({ clock, timers: clock }, 30_000, async () => table).then(
    (key) => (found = { key, atMs: clock.now() - began }),
  );
  await clock.advance(40_000);
  if (found === undefined) throw new Error('it never ended');
  return found;
}

describe('a watched table', () => {
  const rows = new Map([
    ['a', '1'],
    ['b', '2'],
  ]);

  it('stands still if no row changes during the whole watch', async () => {
    expect(await moveIn(rows, [])).to.deep.equal({ key: undefined, atMs: 30_000 });
    expect(await moveIn(rows, [[29_999, new Map([...rows, ['b', '3']])]])).to.deep.equal({ key: 'b', atMs: 30_000 });
  });

  it('moves as soon as a row has changed, is new or is gone', async () => {
    expect(await moveIn(rows, [[10_000, new Map([...rows, ['a', '2']])]])).to.deep.equal({ key: 'a', atMs: 12_000 });
    expect(await moveIn(rows, [[1, new Map([...rows, ['c', '1']])]])).to.deep.equal({ key: 'c', atMs: 3_000 });
    expect(await moveIn(rows, [[1, new Map([['a', '1']])]])).to.deep.equal({ key: 'b', atMs: 3_000 });
  });
});
