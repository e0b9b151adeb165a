// A pipe with routes: orders are divided by tenant, collected, and appended to one file per tenant. A kill may repeat a batch, so each line
// has the idempotency key of its order: a reader that drops lines with a known key reads each order once.
// Run: npm run example -- tenant-files
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConsumer, kinesisStream, pipe, runUntilSignal } from 'kinact';
import { localStreams } from './support/local-stream.js';

interface Line {
  readonly tenant: string;
  readonly text: string;
}

const total = 600;
const folder = await mkdtemp(join(tmpdir(), 'kinact-tenants-'));
await using streams = await localStreams('orders');
await streams.put(
  'orders',
  Array.from({ length: total }, (_, n) => ({ key: `customer-${n % 50}`, data: `tenant-${n % 4},order ${n}` })),
);

let written = 0;
let allWritten = (): void => {};
const done = new Promise<void>((resolve) => (allWritten = resolve));

const files = pipe()
  .map((bytes, { item }): Line => {
    const [tenant = '', order = ''] = bytes.toString().split(',');
    return { tenant, text: `${item?.token.idempotencyKey} ${order}` };
  })
  .demux(({ tenant }) => tenant)
  // From here to the `join`, each tenant has an aggregate of its own. What it holds stays open, so no checkpoint passes it.
  .aggregate({ count: 100, intervalMs: 500 }, (lines, { route }) => ({ tenant: route ?? '', lines }))
  .join()
  .to(async ({ tenant, lines }) => {
    await appendFile(join(folder, tenant), lines.map(({ text }) => `${text}\n`).join(''));
    written += lines.length;
    if (written === total) allWritten();
  });

const consumer = createConsumer({
  application: 'tenant-files',
  source: kinesisStream({ streamName: 'orders' }),
  pipe: files,
});
void done.then(() => consumer.stop());
const report = await runUntilSignal(consumer);

const keys = new Set<string>();
const tenants = await readdir(folder);
for (const tenant of tenants) {
  const lines = (await readFile(join(folder, tenant), 'utf8')).trim().split('\n');
  for (const line of lines) keys.add(line.split(' ')[0] ?? '');
  console.log(`${tenant}: ${lines.length} lines`);
}
await rm(folder, { recursive: true });
console.log(`tenant-files: ${keys.size} orders in ${tenants.length} files, drained: ${report.drained}`);
