// Rewrites all files that are generated from the tables in src: pages of docs, the declarations of the options, and
// the program of the scanner. Needs
// `npm run build` first. Tests fail while a generated file is stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { countersTable, withCounters } from './counters-table.mjs';
import { errorsPage } from './errors-page.mjs';
import { eventsPage } from './events-page.mjs';
import { metricsTable, withMetrics } from './metrics-table.mjs';
import { optionDeclarations } from './option-declarations.mjs';
import { optionsPage } from './options-page.mjs';
import { scannerCode, scannerModule } from './scanner.mjs';
import { has, root } from './steps.mjs';

if (!has('dist/src/options/consumer-option-table.js')) {
  console.log('docs: FAILED, run npm run build first');
  process.exit(1);
}
const { consumerTable } = await import('../dist/src/options/consumer-option-table.js');
const { kinesisStreamTable } = await import('../dist/src/options/kinesis-stream-option-table.js');
const { dynamodbStreamTable } = await import('../dist/src/options/dynamodb-stream-option-table.js');
const { fileSinkTable, kinesisSinkTable } = await import('../dist/src/options/sink-option-tables.js');
const { drainTable, feedTable, flushTable, openPipeTable } =
  await import('../dist/src/options/open-pipe-option-tables.js');
const { runTable } = await import('../dist/src/options/stop-option-tables.js');
const { errorCodes } = await import('../dist/src/api/errors.js');
const { remedies } = await import('../dist/src/api/remedies.js');
const { levels } = await import('../dist/src/consumer/log-line.js');
const { counterGroups } = await import('../dist/src/api/counters.js');
const { instruments } = await import('../dist/src/api/metrics.js');

const read = (file) => readFileSync(join(root, file), 'utf8');
const pages = {
  'docs/options.md': optionsPage(
    {
      consumer: consumerTable,
      kinesisStream: kinesisStreamTable,
      dynamodbStream: dynamodbStreamTable,
      run: runTable,
      fileSink: fileSinkTable,
      kinesisSink: kinesisSinkTable,
      openPipe: openPipeTable,
      openPipeCalls: { 'feed, feedAll': feedTable, flush: flushTable, finish: drainTable },
    },
    { reducer: read('src/api/reducer.ts') },
  ),
  'docs/errors.md': errorsPage(errorCodes, remedies),
  'docs/events.md': eventsPage(read('src/api/events.ts'), levels),
  'docs/metrics.md': withMetrics(read('docs/metrics.md'), metricsTable(instruments)),
  'docs/status.md': withCounters(read('docs/status.md'), countersTable(counterGroups)),
};
const declarations = await optionDeclarations((module) => import(`../dist/${module}`));
const all = { ...pages, ...declarations, [scannerModule]: await scannerCode() };
for (const folder of new Set(Object.keys(all).map(dirname))) mkdirSync(join(root, folder), { recursive: true });
for (const [file, text] of Object.entries(all)) writeFileSync(join(root, file), text);
console.log(`docs: wrote ${Object.keys(all).join(', ')}`);
