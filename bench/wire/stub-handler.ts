// A request handler for the SDK's Kinesis client that answers from a workload, without a socket. The bytes of an answer come in chunks
// of 64 KiB, as a socket hands them out. So a benchmark pays for everything above the socket: serialising, signing, middleware, the
// deserialiser. Called by sides.ts.
import { Readable } from 'node:stream';
import type { RequestHandler } from '../../src/aws/kinesis/fan-out/http2-handler.js';
import { shardIds, shardOf, stampBody, streamArn } from '../canned-kinesis.js';
import { stampOf, type Body, type Workload } from '../workload.js';

const chunkBytes = 65_536;

/** A call after the last pull of a shard waits until it is aborted. */
export function stubHandler(workload: Workload): RequestHandler {
  const ids = shardIds(workload);
  const answers: Readonly<Record<string, (input: Input) => Buffer | undefined>> = {
    DescribeStreamSummary: () =>
      json({
        StreamDescriptionSummary: {
          ...{
            StreamName: 'bench',
            StreamARN: streamArn,
            StreamStatus: 'ACTIVE',
            StreamCreationTimestamp: 1_767_225_600,
          },
          ...{ RetentionPeriodHours: 24, OpenShardCount: ids.length, EnhancedMonitoring: [] },
        },
      }),
    ListShards: () => json({ Shards: ids.map((id, index) => shardOf(id, BigInt(index), BigInt(ids.length))) }),
    GetShardIterator: ({ ShardId }) => json({ ShardIterator: `${ShardId}/0` }),
    GetRecords: ({ ShardIterator = '' }) => pulled(workload, ShardIterator),
  };
  return {
    async handle({ headers, body }, { abortSignal } = {}) {
      const operation = String(headers['x-amz-target'] ?? headers['X-Amz-Target']).replace(/^.*\./, '');
      const answer = answers[operation];
      if (answer === undefined) throw new TypeError(`the stub has no answer to ${operation}`);
      // A socket answers in a later turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      const bytes =
        answer(JSON.parse(Buffer.from(body as Uint8Array).toString()) as Input) ??
        (await aborted(abortSignal as AbortSignal | undefined));
      return { response: response(bytes) } as never;
    },
    destroy() {},
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}

interface Input {
  readonly ShardId?: string;
  readonly ShardIterator?: string;
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function pulled(workload: Workload, iterator: string): Buffer | undefined {
  const [shardId = '', at = ''] = iterator.split('/');
  const number = Number(at);
  if (number >= workload.pullsPerShard) return undefined;
  const body = workload.bodies[number % workload.bodies.length] as Body;
  stampBody(body, stampOf(number));
  const behindMs = number < workload.pullsPerShard - 1 ? 60_000 : 0;
  const rest = `,"NextShardIterator":"${shardId}/${number + 1}","MillisBehindLatest":${behindMs}}`;
  // A copy, because the body is stamped again while an earlier answer may still be read.
  return Buffer.concat([body.bytes.subarray(0, -1), Buffer.from(rest)]);
}

function response(bytes: Buffer): object {
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'content-length': String(bytes.length) };
  return { statusCode: 200, headers, body: Readable.from(chunksOf(bytes)) };
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(Object.assign(new Error('aborted'), { name: 'AbortError' }));
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}
