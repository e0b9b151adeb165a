// docs/options.md matches the option tables and `defineReducer`, so it needs no edits by hand.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { consumerTable } from '../../src/options/consumer-option-table.js';
import { defineReducer } from '../../src/api/reducer.js';
import { runTable } from '../../src/options/stop-option-tables.js';
import { drainTable, feedTable, flushTable, openPipeTable } from '../../src/options/open-pipe-option-tables.js';
import { fileSinkTable, kinesisSinkTable } from '../../src/options/sink-option-tables.js';
import { dynamodbStreamTable } from '../../src/options/dynamodb-stream-option-table.js';
import { kinesisStreamTable } from '../../src/options/kinesis-stream-option-table.js';

const root = new URL('../../../', import.meta.url);

const read = (file: string): string => readFileSync(new URL(file, root), 'utf8');

interface Page {
  readonly optionsPage: (tables: object, sources: object) => string;
}

describe('docs/options.md', () => {
  it('matches the option tables (stale? npm run build && node scripts/docs.mjs)', async () => {
    const { optionsPage } = (await import(new URL('scripts/options-page.mjs', root).href)) as Page;
    const page = optionsPage(
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
    );
    expect(read('docs/options.md')).to.equal(page);
  });

  it('has every member that defineReducer takes', () => {
    const [, reducer = ''] = /\n## defineReducer\n([\s\S]*)\n## runUntilSignal\n/.exec(read('docs/options.md')) ?? [];
    const named = (text: string): string[] => [...text.matchAll(/^\| `(\w+)` /gm)].map(([, name = '']) => name);
    let refusal = '';
    try {
      defineReducer({ init: () => 0, reduce: () => 0, other: 1 } as never);
    } catch (error) {
      refusal = (error as Error).message;
    }
    const [, taken = ''] = /known: ([\w, ]+)$/.exec(refusal) ?? [];
    expect(new Set(named(reducer))).to.deep.equal(new Set([...taken.split(', '), 'size', 'intervalMs']));
  });
});
