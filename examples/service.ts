// kinact in a service with fastify and PostgreSQL: order totals that stay exact, health checks, and a clean stop. It sets bad
// records aside. It needs a stream and a database; docs/in-your-service.md goes from an empty folder to this program.
import fastify, { type FastifyReply } from 'fastify';
import {
  createConsumer,
  defineReducer,
  fileSink,
  kinesisStream,
  park,
  retry,
  runUntilSignal,
  type Health,
  type Item,
} from 'kinact';
import pg from 'pg';

const pool = new pg.Pool({
  connectionString: process.env['DATABASE_URL'],
  connectionTimeoutMillis: 5_000,
  query_timeout: 15_000, // a query that hangs fails, and is repeated
});
pool.on('error', ({ message }) => console.error('a connection is lost:', message)); // without it, the process would end

const tables = `
  SELECT pg_advisory_xact_lock(1); -- two processes may start at once
  CREATE TABLE IF NOT EXISTS orders (idempotency_key text PRIMARY KEY, customer text NOT NULL, cents bigint NOT NULL);
  CREATE TABLE IF NOT EXISTS totals (customer text PRIMARY KEY, orders bigint NOT NULL, cents bigint NOT NULL);
`;
let made: Promise<unknown> | undefined;

/** Makes the tables before the first query, not at the start: the service starts while the database is down. */
async function query(sql: string, values: unknown[]) {
  made ??= pool.query(tables).catch((error: unknown) => {
    made = undefined; // the next query tries again
    throw error;
  });
  await made;
  return pool.query(sql, values);
}

/** Saves orders, and adds those that are new to the totals: all of it, or nothing. */
const save = `
  WITH fresh AS (
    INSERT INTO orders (idempotency_key, customer, cents)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS row (key, customer, cents) ORDER BY key
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING customer, cents
  )
  INSERT INTO totals (customer, orders, cents)
  SELECT customer, count(*), sum(cents) FROM fresh GROUP BY customer ORDER BY customer
  ON CONFLICT (customer) DO UPDATE
  SET orders = totals.orders + excluded.orders, cents = totals.cents + excluded.cents
`;

interface Order {
  readonly customer: string;
  readonly cents: number;
}

/** Refuses all that the database would refuse. */
function orderOf(data: Buffer): Order {
  const { customer, cents } = JSON.parse(data.toString()) as Order;
  if (!Number.isSafeInteger(cents)) throw new TypeError('cents is no integer');
  if (typeof customer !== 'string' || !/^[^\0]{1,200}$/.test(customer)) throw new TypeError('customer is no name');
  return { customer, cents };
}

const adding = defineReducer({
  init: (): (Order & { readonly key: string })[] => [],
  reduce: (rows, { token, value }: Item<Order>) => {
    rows.push({ key: token.idempotencyKey, ...value });
    return rows;
  },
  batch: { size: 500, intervalMs: 1_000 },
  flush: async (rows) => {
    const column = (name: 'key' | 'customer' | 'cents') => rows.map((row) => row[name]);
    await query(save, [column('key'), column('customer'), column('cents')]);
    return [];
  },
});

const consumer = createConsumer({
  application: 'order-totals',
  source: kinesisStream({ streamName: process.env['STREAM'] ?? 'orders' }),
  extract: ({ data }) => {
    const order = orderOf(data);
    return [{ key: order.customer, value: order }];
  },
  reducer: adding,
  // The database is down: wait, and lose nothing. A record will never be an order: set it aside.
  onFailure: retry({ then: park(fileSink({ path: process.env['PARKED'] ?? 'parked' })) }),
});

const server = fastify();
const answer = (reply: FastifyReply, health: Health) => reply.code(health.ok ? 200 : 503).send(health);
server.get('/live', (_, reply) => answer(reply, consumer.live()));
server.get('/ready', (_, reply) => answer(reply, consumer.ready()));
server.get('/status', () => consumer.status());
server.get<{ Params: { customer: string } }>('/totals/:customer', async ({ params }, reply) => {
  const { rows } = await query('SELECT orders, cents FROM totals WHERE customer = $1', [params.customer]);
  return rows[0] ?? reply.code(404).send({ error: 'no such customer' });
});

const { HOST = '127.0.0.1', PORT = '3000' } = process.env;
console.log(`listening on ${await server.listen({ host: HOST, port: Number(PORT) })}`);
try {
  const { drained } = await runUntilSignal(consumer);
  console.log(`drained: ${drained}`);
} finally {
  await server.close(); // until now, the checks were answered
  await pool.end();
}
