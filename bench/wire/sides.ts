// The sides of the benchmark at the wire. Each reads the same answers through a real client of the SDK, whose request handler answers
// from memory (stub-handler.ts). The programs of wire-side.ts run one of them.
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { createKinesisClient } from '../../src/aws/kinesis/kinesis-client.js';
import { installFastGetRecords } from '../../src/aws/kinesis/get-records-answer.js';
import { runKinact } from '../kinact-side.js';
import { runLoop } from '../loop-side.js';
import type { Tally } from '../tally.js';
import type { Workload } from '../workload.js';
import { stubHandler } from './stub-handler.js';

export type SideName = keyof typeof sides;

const region = 'us-east-1';
const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };

export const sides = {
  /** A whole consumer with default options except `reducers`, and kinact's own client. Its leases are in memory. */
  kinact: (workload: Workload): Promise<Tally> =>
    runKinact(workload, {
      client: createKinesisClient({ region, requestTimeoutMs: 60_000, requestHandler: stubHandler(workload) }),
    }),
  /** The loop that a competent person writes, over the SDK as it is. */
  stock: (workload: Workload): Promise<Tally> =>
    runLoop(workload, new KinesisClient({ region, credentials, requestHandler: stubHandler(workload) })),
  /** The same loop over a client whose deserialiser of GetRecords is replaced, and whose logger layer is gone. */
  fast: (workload: Workload): Promise<Tally> => {
    const client = new KinesisClient({ region, credentials, requestHandler: stubHandler(workload) });
    client.middlewareStack.remove('loggerMiddleware');
    if (!installFastGetRecords(client, fastAnswer)) throw new Error('this SDK has no protocol to replace');
    return runLoop(workload, client);
  },
} as const;

interface WireRecord {
  Data: string | Buffer;
  ApproximateArrivalTimestamp: number | Date;
}

/** The least that gives the loop its records. */
function fastAnswer(bytes: Buffer): object {
  const answer = JSON.parse(bytes.toString()) as { readonly Records: readonly WireRecord[] };
  for (const record of answer.Records) {
    record.Data = Buffer.from(record.Data as string, 'base64');
    record.ApproximateArrivalTimestamp = new Date((record.ApproximateArrivalTimestamp as number) * 1000);
  }
  return answer;
}
