// Every example runs to its end in time, and prints the promised last line. service.test.ts runs the one that needs a database.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const lastLines: Readonly<Record<string, RegExp>> = {
  quickstart: /^quickstart: 1000 orders counted, 2 leases released, drained: true$/,
  'batch-processor': /^batch-processor: 600 items in batches of at most 10, [2-4] checkpoints$/,
  embedded: /^embedded: the application's own actor booked 19900$/,
  actors: /^actors: 3 answers from 5 loads, breaker opened 1 time, idle session ended: normal$/,
  'store-outage': /^store-outage: 600 orders saved once each, some calls refused, 0 restarts, drained: true$/,
  'dead-letters': /^dead-letters: 300 orders saved, 3 of them parked and replayed, drained: true$/,
  'per-key-concurrency':
    /^per-key-concurrency: 400 readings written, 40 of 40 sensors in order, several calls at once, drained: true$/,
  'rate-limit': /^rate-limit: 300 orders sent, reducers have waited for the limit, drained: true$/,
  'fan-out': /^fan-out: 300 orders, none twice: true, back to polling$/,
  'dynamodb-stream':
    /^dynamodb-stream: 1010 changes, 90 orders in the index, 10 expired, equal to the table: true, drained: true$/,
  'two-streams':
    /^two-streams: 300 clicks and 300 changes in batches of at most 10, checkpoints of clicks and profiles, drained: true$/,
  'tenant-files': /^tenant-files: 600 orders in 4 files, drained: true$/,
  'chunked-objects': /^chunked-objects: 40 whole objects, 2 chunks of a broken one skipped, drained: true$/,
  'customer-batches': /^customer-batches: 600 orders, repeats refused, exact: true, drained: true$/,
  'emitted-sums': /^emitted-sums: 600 orders, sums of 30 customers, drained: true$/,
  'own-node': /^own-node: 200 orders paid, drained: true$/,
  'kflow-pipe': /^kflow-pipe: 12 rows, chunks of up to 100, newest values: true, drained: true$/,
  'lines-of-a-file': /^lines-of-a-file: 1000 of 1000 lines written, \d+ came again$/,
  'reducer-behaviour': /^reducer-behaviour: 25 sensors written for 500 readings, drained: true$/,
};

describe('examples', function () {
  this.timeout(400_000);
  const names = readdirSync(join(root, 'examples'))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file !== 'service.ts')
    .map((file) => file.slice(0, -3));

  it('begin with a comment that says what they show, and have a row in examples/README.md', () => {
    const table = readFileSync(join(root, 'examples/README.md'), 'utf8');
    const all = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.ts'));
    expect(all.filter((file) => !table.includes(`\n| [${file}](${file}) | `))).to.deep.equal([]);
    const silent = all.filter((file) => !/^\/\/ \S.{30}/.test(readFileSync(join(root, 'examples', file), 'utf8')));
    expect(silent).to.deep.equal([]);
  });

  it('have an expected last line each', () => {
    expect(names.toSorted()).to.deep.equal(Object.keys(lastLines).toSorted());
  });

  for (const name of names) {
    it(`run offline to the expected last line: ${name}`, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [join(root, `.build/examples/${name}.js`)], {
        timeout: 150_000,
      });
      expect(stdout.trimEnd().split('\n').at(-1)).to.match(lastLines[name] as RegExp);
    });
  }
});
