// The check before a lease table is created outside of its home, the region of the stream. If the home region has a table of the same
// name, the application has run there, and would begin again with an empty table. lease-table.ts calls it.
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinactError } from '../../api/errors.js';
import type { Clock, Timers } from '../../api/ports.js';
import { createDynamoDbClient, dynamoDbCaller, type DynamoDbClientLike } from './dynamodb-client.js';
import { tableExists } from './lease-table-setup.js';

/** The region of the stream; undefined: that of the AWS environment. */
export interface HomeRegion {
  readonly region: string | undefined;
  /** Opens the client that asks there. Default: a client of our own. */
  readonly open?: (requestTimeoutMs: number) => DynamoDbClientLike;
}

/** What the SDK's client tells about its settings. A stub may tell less. */
interface Told {
  readonly config?: { readonly region?: unknown; readonly isCustomEndpoint?: boolean };
}

async function regionOf(client: Told): Promise<string | undefined> {
  const { region } = client.config ?? {};
  const told: unknown = typeof region === 'function' ? await (region as () => unknown)() : region;
  return typeof told === 'string' ? told : undefined;
}

/**
 * Makes a function that rejects with INVALID_OPTION if the home region has a table of this name, and `client` calls another region. It
 * does not ask there if the application's own client has an endpoint of its own, because then its region means nothing.
 */
export function homeCheck(
  home: HomeRegion,
  client: DynamoDbClientLike,
  options: {
    readonly tableName: string;
    readonly clock: Clock;
    readonly timers: Timers;
    readonly client?: DynamoDbClientLike;
    readonly failoverMs?: number;
  },
): (signal: AbortSignal) => Promise<void> {
  const { tableName, clock, timers } = options;
  return async (signal) => {
    const region = await regionOf(client as Told);
    const isPlaced = options.client === undefined || (client as Told).config?.isCustomEndpoint !== true;
    if (region === undefined || region === home.region || !isPlaced) return;

    const there = (home.open ?? openIn(home.region))(requestTimeoutMs);
    try {
      const homeRegion = home.region ?? (await regionOf(there as Told));
      if (homeRegion === undefined || homeRegion === region) return;
      const caller = dynamoDbCaller({ client: there, clock, timers, requestTimeoutMs });
      if (!(await tableExists(caller, tableName, signal))) return;
      const message = `The lease table '${tableName}' does not exist in ${region}, and a table of this name exists in ${homeRegion}, the region of the stream. A take-over must not begin with an empty table: remove \`leases.region\` or \`leases.client\`, choose another name, or copy the rows first.`;
      throw new KinactError('INVALID_OPTION', message, { data: { option: 'leases.region', table: tableName } });
    } finally {
      there.destroy?.();
    }
  };
}

const requestTimeoutMs = 5_000;

const openIn =
  (region: string | undefined) =>
  (timeoutMs: number): DynamoDBClient =>
    createDynamoDbClient({ requestTimeoutMs: timeoutMs, ...(region === undefined ? {} : { region }) });
