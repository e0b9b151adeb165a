// Dead letters: orders that the code cannot read are set aside in files, the others go on. When the code is mended, they are replayed.
// Run: npm run example -- dead-letters
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  createConsumer,
  defineReducer,
  fileSink,
  kinesisStream,
  NonRetryableError,
  park,
  retry,
  runUntilSignal,
} from 'kinact';
import { localStreams } from './support/local-stream.js';

await using streams = await localStreams('orders');
const folder = await mkdtemp(join(tmpdir(), 'kinact-parked-'));
const total = 300;
// Every hundredth order has a comma where the code expects a point.
const orders = Array.from({ length: total }, (_, n) => ({
  key: `customer-${n % 30}`,
  data: n % 100 === 0 ? '1,5' : '1.5',
}));

let isMended = false;
let saved = 0;
let parked = 0;
let onChange = (): void => {};

function amountOf(text: string): number {
  const amount = Number(isMended ? text.replace(',', '.') : text);
  // A repetition would read the same text: the policy's `then` applies at once.
  if (Number.isNaN(amount)) throw new NonRetryableError(`no amount: ${text}`);
  return amount;
}

const consumer = createConsumer({
  application: 'dead-letters',
  source: kinesisStream({ streamName: 'orders' }),
  reducer: defineReducer({
    init: () => 0,
    reduce: (sum, { value }) => {
      const amount = amountOf(value.toString());
      saved += 1;
      onChange();
      return sum + amount;
    },
  }),
  onFailure: retry({ then: park(fileSink({ path: folder })) }),
  logger: false, // the listener says it
});
consumer.on('itemParked', ({ key, error }) => {
  parked += 1;
  console.log(`${key} is set aside: ${String(error)}`);
  onChange();
});

/** Resolves once this many orders are saved and parked. */
async function until(savedNow: number, parkedNow: number): Promise<void> {
  while (saved < savedNow || parked < parkedNow) await new Promise<void>((resolve) => (onChange = resolve));
}

/** Runs the command line tool, as you would in a shell: `kinact parked …`. */
async function kinact(...args: readonly string[]): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve('kinact/package.json');
  const { bin } = JSON.parse(await readFile(manifest, 'utf8')) as { readonly bin: { readonly kinact: string } };
  const { stdout } = await promisify(execFile)(process.execPath, [join(dirname(manifest), bin.kinact), ...args]);
  return stdout;
}

async function mendAndReplay(): Promise<void> {
  await streams.put('orders', orders);
  await until(total - 3, 3);
  const listed = (await kinact('parked', 'list', '--path', folder)).trim();
  console.log(listed);
  isMended = true;
  console.log('the code is mended');
  console.log((await kinact('parked', 'replay', '--path', folder, '--into-stream', 'orders', '--yes')).trim());
  await until(total, 3);
  await consumer.stop();
}

const [report] = await Promise.all([runUntilSignal(consumer), mendAndReplay()]);
await rm(folder, { recursive: true });
console.log(`dead-letters: ${saved} orders saved, ${parked} of them parked and replayed, drained: ${report.drained}`);
process.exitCode = saved === total && report.drained ? 0 : 1;
