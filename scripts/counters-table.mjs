// Writes the tables of counters between two marks in docs/status.md. Called by scripts/docs.mjs.
// test/repository/docs-pages.test.ts checks that the page is current.
const marks = ['<!-- counters: generated from src/api/counters.ts by scripts/docs.mjs -->', '<!-- /counters -->'];

const heads = {
  yours: 'Something of yours is behind these:',
  ordinary: 'These happen in a healthy consumer too, at restarts, lost leases and stops:',
  unexpected: 'These should stay absent; please report them:',
};

/** @param {Readonly<Record<string, Readonly<Record<string, string>>>>} groups */
export function countersTable(groups) {
  return Object.entries(groups)
    .map(([group, counters]) => {
      const rows = Object.entries(counters).map(([name, help]) => `| \`${name}\` | ${help} |`);
      return [heads[group], '', '| counter | counts |', '|---|---|', ...rows].join('\n');
    })
    .join('\n\n');
}

/** Returns the page with the text between the marks replaced. */
export function withCounters(page, table) {
  const [start, end] = marks.map((mark) => page.indexOf(mark));
  if (start < 0 || end < start) throw new Error('docs/status.md has lost its marks');
  return `${page.slice(0, start)}${marks[0]}\n\n${table}\n\n${page.slice(end)}`;
}
