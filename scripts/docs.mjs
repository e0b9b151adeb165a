// Rewrites the generated pages of docs. Needs `npm run build` first; the tests fail while a page is stale.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { optionsPage } from './options-page.mjs';
import { has, root } from './steps.mjs';

if (!has('dist/src/consumer-table.js')) {
  console.log('docs: FAILED, run npm run build first');
  process.exit(1);
}
const { consumerTable } = await import('../dist/src/consumer-table.js');
const { kinesisStreamTable } = await import('../dist/src/source-options.js');
writeFileSync(
  join(root, 'docs/options.md'),
  optionsPage({ consumer: consumerTable, kinesisStream: kinesisStreamTable }),
);
console.log('docs: wrote docs/options.md');
