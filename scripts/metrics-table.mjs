// Writes the table of instruments between two marks in docs/metrics.md. Called by scripts/docs.mjs.
// test/repository/docs-pages.test.ts checks that the page is current.
const marks = ['<!-- metrics: generated from src/api/metrics.ts by scripts/docs.mjs -->', '<!-- /metrics -->'];

/** @param {Readonly<Record<string, { type: string, unit: string, labels: readonly string[], help: string }>>} instruments */
export function metricsTable(instruments) {
  const rows = Object.entries(instruments).map(
    ([name, { type, unit, labels, help }]) =>
      `| \`${name}\` | ${type}, ${unit} | ${labels.join(', ') || '–'} | ${help} |`,
  );
  return ['| instrument | type, unit | labels | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

/** Returns the page with the text between the marks replaced. */
export function withMetrics(page, table) {
  const [start, end] = marks.map((mark) => page.indexOf(mark));
  if (start < 0 || end < start) throw new Error('docs/metrics.md has lost its marks');
  return `${page.slice(0, start)}${marks[0]}\n${table}\n${page.slice(end)}`;
}
