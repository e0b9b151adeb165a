// examples/service.ts, the service of docs/in-your-service.md, on a real PostgreSQL: its totals are exact after a SIGTERM and a SIGKILL in
// the middle of its work, and after its database was down, also at its start. Its health checks tell an outage from an end.
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CreateStreamCommand, KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import pg from 'pg';
import type { ConsumerStatus } from '../../src/index.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { environment, startProgram, type Running } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { temporaryFolder } from '../support/parked.js';
import { startPostgres, type Postgres } from '../support/postgres.js';

const program = fileURLToPath(new URL('../../examples/service.js', import.meta.url));

/** One row of `totals`: customer, orders, cents. */
type Total = readonly [customer: string, orders: number, cents: number];

const customers = Array.from({ length: 40 }, (_, index) => `customer ${index}`);

describe('examples/service.ts', function () {
  this.timeout(180_000);
  let database: Postgres;
  let servers: LocalServers;
  let client: KinesisClient;
  let pool: pg.Pool;
  let parked: ReturnType<typeof temporaryFolder>;
  const started: Running[] = [];
  const put = new Map<string, Total>();

  before(async function () {
    const made = await startPostgres();
    if (typeof made === 'string') {
      process.stdout.write(`      skipped: ${made}\n`);
      return this.skip();
    }
    database = made;
    parked = temporaryFolder();
    servers = await startLocalServers();
    client = new KinesisClient(servers.clientConfig.kinesis);
    await client.send(new CreateStreamCommand({ StreamName: 'orders', ShardCount: 3 }));
    pool = new pg.Pool({ connectionString: database.url });
    pool.on('error', () => undefined);
  });
  after(async () => {
    for (const { child } of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    await pool?.end();
    await servers?.stop();
    await database?.stop();
    parked?.remove();
  });

  async function start(): Promise<{ readonly running: Running; readonly url: string }> {
    const running = startProgram(
      program,
      [],
      environment(servers, { DATABASE_URL: database.url, PARKED: parked.path, PORT: '0', NODE_NO_WARNINGS: '1' }),
    );
    started.push(running);
    await running.until(({ stdout }) => stdout.includes('listening on '));
    const [, url = ''] = /listening on (http:\/\/127\.0\.0\.1:\d+)$/m.exec(running.output.stdout) ?? [];
    return { running, url };
  }

  /** Puts orders, as many for each customer. */
  async function putOrders(perCustomer: number): Promise<void> {
    const orders = Array.from({ length: perCustomer }, () => customers).flat();
    for (let from = 0; from < orders.length; from += 400) {
      const Records = orders.slice(from, from + 400).map((customer, index) => {
        const cents = from + index;
        const [, count, sum] = put.get(customer) ?? [customer, 0, 0];
        put.set(customer, [customer, count + 1, sum + cents]);
        return { PartitionKey: customer, Data: Buffer.from(JSON.stringify({ customer, cents })) };
      });
      const { FailedRecordCount } = await client.send(new PutRecordsCommand({ StreamName: 'orders', Records }));
      expect(FailedRecordCount).to.equal(0);
    }
  }

  async function totals(): Promise<readonly Total[]> {
    const { rows } = await pool
      .query<{ customer: string; orders: string; cents: string }>('SELECT * FROM totals')
      .catch((error: { readonly code?: string }) => {
        if (error.code === '42P01') return { rows: [] }; // the service has not made the table yet
        throw error;
      });
    return rows.map(({ customer, orders, cents }) => [customer, Number(orders), Number(cents)]);
  }

  const counted = async (): Promise<number> => (await totals()).reduce((sum, [, orders]) => sum + orders, 0);

  async function untilCounted(orders: number, limitMs = 60_000): Promise<void> {
    for (const until = performance.now() + limitMs; (await counted()) < orders; await pause(20)) {
      if (performance.now() > until) throw new Error(`${await counted()} of ${orders} orders after ${limitMs} ms`);
    }
  }

  const allPut = (): number => [...put.values()].reduce((sum, [, orders]) => sum + orders, 0);

  /** Waits for all orders, and then for any that are counted twice. */
  async function expectExactTotals(): Promise<void> {
    await untilCounted(allPut());
    await pause(2_000);
    expect((await totals()).toSorted()).to.deep.equal([...put.values()].toSorted());
  }

  const statusOf = async (url: string): Promise<ConsumerStatus> =>
    (await (await fetch(`${url}/status`)).json()) as ConsumerStatus;

  const codesOf = async (url: string): Promise<readonly number[]> =>
    Promise.all(['/live', '/ready'].map(async (path) => (await fetch(url + path)).status));

  it('starts while its database is down, and makes its tables when the database is there', async () => {
    await database.crash();
    const { running, url } = await start();
    await putOrders(1);
    await running.until(({ stderr }) => stderr.includes('itemRetrying'));
    expect((await codesOf(url))[0]).to.equal(200);
    expect((await fetch(`${url}/totals/nobody`)).status).to.equal(500);
    await database.start();
    expect((await fetch(`${url}/totals/nobody`)).status).to.equal(404);
    await expectExactTotals();
    expect((await statusOf(url)).restarts).to.equal(0);
    running.child.kill('SIGTERM');
    expect(await running.ended).to.include({ code: 0 });
  });

  it('counts each order once, across a SIGTERM in the middle of its work', async () => {
    const first = await start();
    const putting = putOrders(100);
    await untilCounted(200);
    first.running.child.kill('SIGTERM');
    expect(await first.running.ended).to.include({ code: 0, stderr: '' });
    expect(first.running.output.stdout).to.match(/^listening on \S+\ndrained: true\n$/);
    const before = await counted();
    await putting;
    await putOrders(5);
    expect(before).to.be.below(allPut());

    const { running, url } = await start();
    await expectExactTotals();
    expect(await codesOf(url)).to.deep.equal([200, 200]);
    const total = await (await fetch(`${url}/totals/customer%207`)).json();
    expect(total).to.deep.equal({
      orders: String(put.get('customer 7')?.[1]),
      cents: String(put.get('customer 7')?.[2]),
    });
    expect((await fetch(`${url}/totals/nobody`)).status).to.equal(404);
    running.child.kill('SIGTERM');
    expect(await running.ended).to.include({ code: 0 });
  });

  it('waits while its database is down: it stays alive, restarts nothing, and counts each order once', async () => {
    const { running, url } = await start();
    await putOrders(5);
    await untilCounted(allPut());
    await database.crash();
    await putOrders(20);
    await running.until(({ stderr }) => stderr.includes('outageStarted') || stderr.split('itemRetrying').length > 3);
    await pause(4_000);
    expect((await codesOf(url))[0]).to.equal(200);
    await database.start();
    await expectExactTotals();
    expect((await statusOf(url)).restarts).to.equal(0);
    expect(running.output.stderr).to.not.match(/pipelineRestarted|recordSkipped|itemParked/);
    expect(await codesOf(url)).to.deep.equal([200, 200]);
    running.child.kill('SIGTERM');
    expect(await running.ended).to.include({ code: 0 });
  });

  it('ends at a SIGTERM while its database is down, says that it has not drained, and loses no order', async () => {
    const { running } = await start();
    await database.crash();
    await putOrders(5);
    await running.until(({ stderr }) => stderr.includes('itemRetrying'));
    running.child.kill('SIGTERM');
    expect(await running.ended).to.include({ code: 1 });
    // That it does not wait for its deadline, a test in virtual time shows (failing-store.test.ts).
    expect(running.output.stderr).to.match(/the stop has not drained: .*come again elsewhere.*has waited for/);
    expect(running.output.stdout).to.match(/\ndrained: false\n$/);
    await database.start();
    const next = await start();
    await expectExactTotals();
    next.running.child.kill('SIGTERM');
    expect(await next.running.ended).to.include({ code: 0 });
  });

  it('counts no order twice after a SIGKILL and a start in an outage, although orders are delivered again', async () => {
    const { running } = await start();
    const before = allPut();
    const putting = putOrders(100);
    await untilCounted(before + 500);
    running.child.kill('SIGKILL');
    await Promise.all([running.ended, putting]);
    await database.crash();
    const { url } = await start();
    expect((await codesOf(url))[0]).to.equal(200);
    await database.start();
    await expectExactTotals();
    expect((await statusOf(url)).restarts).to.equal(0);
  });

  it('sets a record aside that is no order, goes on, and lets the commands of the page list and replay it', async () => {
    const running = started.at(-1)!;
    const bad = [
      'no JSON',
      '{}',
      '{"customer":"a\\u0000b","cents":1}',
      `{"customer":"${'x'.repeat(9_000)}","cents":1}`,
    ];
    const Records = bad.map((data) => ({ PartitionKey: 'bad', Data: Buffer.from(data) }));
    await client.send(new PutRecordsCommand({ StreamName: 'orders', Records }));
    const untilParked = (count: number): Promise<void> =>
      running.until(({ stderr }) => stderr.split('"event":"itemParked"').length === count + 1);
    await untilParked(bad.length);
    await putOrders(1);
    const command = (...args: string[]) =>
      kinactInside(['parked', ...args, '--path', parked.path], environment(servers));
    const listed = await command('list');
    expect(listed).to.include({ code: 0, stderr: '' });
    expect(listed.stdout.match(/cents is no integer|customer is no name|is not valid JSON/g)).to.have.length(
      bad.length,
    );
    const [id = ''] = listed.stdout.split(' ');
    expect(await command('show', '--id', id)).to.include({ code: 0, stderr: '' });
    const replayed = await command('replay', '--into-stream', 'orders', '--yes');
    expect(replayed).to.include({ code: 0 });
    await untilParked(2 * bad.length); // the code is not mended
    await expectExactTotals();
    running.child.kill('SIGTERM');
    expect(await running.ended).to.include({ code: 0 });
  });
});
