import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { consumerTable } from '../../src/consumer-table.js';
import { kinesisStreamTable } from '../../src/source-options.js';

const root = new URL('../../../', import.meta.url);

interface Page {
  readonly optionsPage: (tables: object) => string;
}

describe('docs/options.md', () => {
  it('is what the option tables say (stale? npm run build && node scripts/docs.mjs)', async () => {
    const { optionsPage } = (await import(new URL('scripts/options-page.mjs', root).href)) as Page;
    const page = optionsPage({ consumer: consumerTable, kinesisStream: kinesisStreamTable });
    expect(readFileSync(new URL('docs/options.md', root), 'utf8')).to.equal(page);
  });
});
