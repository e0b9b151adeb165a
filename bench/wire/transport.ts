// How a side reaches the canned Kinesis: through a request handler that answers from memory, or over HTTP.
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { createKinesisClient } from '../../src/aws/kinesis/kinesis-client.js';
import type { Addresses } from './canned-server.js';
import { createAnswers } from './answers.js';
import type { Arrivals } from './delays.js';
import { stubHandler } from './stub-handler.js';
import type { Workload } from './workload.js';

export interface Transport {
  /** The SDK's client as it is, except that it speaks HTTP/1.1. That is its quicker way: by default it speaks HTTP/2. */
  readonly sdkClient: () => KinesisClient;
  /** The client that kinact makes for itself. */
  readonly kinactClient: () => KinesisClient;
  /** Undefined for a stub. */
  readonly addresses: Addresses | undefined;
  /** When the answers of this run were handed out. */
  readonly arrivals: () => Promise<Arrivals>;
}

const region = 'us-east-1';
const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
const requestTimeoutMs = 60_000;

export function stubTransport(workload: Workload): Transport {
  const answers = createAnswers(workload);
  const requestHandler = stubHandler(answers);
  return {
    sdkClient: () => new KinesisClient({ region, credentials, requestHandler }),
    kinactClient: () => createKinesisClient({ region, requestTimeoutMs, requestHandler }),
    addresses: undefined,
    arrivals: () => Promise.resolve(answers.arrivals),
  };
}

/** Begins a new run on the server. */
export async function httpTransport(addresses: Addresses): Promise<Transport> {
  await fetch(`${addresses.kinesis}/reset`, { method: 'POST' });
  const to = { region, credentials, endpoint: addresses.kinesis };
  return {
    sdkClient: () => new KinesisClient({ ...to, requestHandler: new NodeHttpHandler() }),
    kinactClient() {
      const options = { ...to, requestTimeoutMs };
      return createKinesisClient(options);
    },
    addresses,
    arrivals: async () => (await (await fetch(`${addresses.kinesis}/arrivals`)).json()) as Arrivals,
  };
}
