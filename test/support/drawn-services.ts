// Kinesis and DynamoDB with drawn answers (drawn-answers.ts) while `drawing` is set. Kinesis answers on the wire, below the SDK's own
// client, so the SDK's deserializer and ours take part. DynamoDB is a client that returns the drawn answers directly, null included.
import { Readable } from 'node:stream';
import * as dynamoDb from '@aws-sdk/client-dynamodb';
import * as kinesisSdk from '@aws-sdk/client-kinesis';
import { createMemoryDynamoDb, DynamoDbRefusal } from '../sim/dynamodb/memory-dynamodb.js';
import { installFastGetRecords } from '../../src/aws/kinesis/get-records-answer.js';
import type { Clock } from '../../src/api/ports.js';
import { AwsAnswerError } from '../../src/testing/scripted-server/answer-errors.js';
import { errorAnswer, jsonAnswer, type WireAnswer } from '../../src/testing/scripted-server/scripted-answer.js';
import { ScriptedKinesis } from '../../src/testing/scripted-server/scripted-kinesis.js';
import { drawAnswer, type Draws, type Schema } from './drawn-answers.js';

export interface DrawnServices {
  readonly kinesis: ScriptedKinesis;
  readonly kinesisClient: kinesisSdk.KinesisClient;
  readonly dynamoDbClient: { send(command: never): Promise<unknown> };
  /** The services that draw their answers now. */
  drawing: readonly ('kinesis' | 'dynamodb')[];
  /** Operation → how many of its answers were drawn. */
  readonly drawn: Map<string, number>;
}

const share = 0.4;

export function drawnServices(clock: Clock, draws: Draws, reads: 'fast' | 'sdk'): DrawnServices {
  const kinesis = new ScriptedKinesis({ now: () => clock.wallNow() });
  const table = createMemoryDynamoDb({ now: () => clock.wallNow(), pageItems: 3, changeMs: 10, returnsOld: true });
  const services: DrawnServices = {
    kinesis,
    kinesisClient: new kinesisSdk.KinesisClient({
      region: 'us-east-1',
      endpoint: 'http://127.0.0.1:9',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      maxAttempts: 1,
      requestHandler: {
        handle: async (request: { readonly headers: Record<string, string>; readonly body: unknown }) => {
          const { status, headers, body } = onWire(request);
          const date = new Date(clock.wallNow()).toUTCString();
          return { response: { statusCode: status, headers: { ...headers, date }, body: Readable.from([body]) } };
        },
      } as never,
    }),
    dynamoDbClient: {
      async send(command: { readonly input: Record<string, unknown> }) {
        const operation = command.constructor.name.replace(/Command$/, '');
        try {
          const answer = table.handle(operation, command.input, () => 0);
          return drawnFor('dynamodb', `${operation}`, answer);
        } catch (error) {
          if (!(error instanceof DynamoDbRefusal)) throw error;
          const { name, message, item } = error;
          throw Object.assign(new Error(message), {
            name,
            $metadata: { httpStatusCode: 400 },
            ...(item === undefined ? {} : { Item: item }),
          });
        }
      },
    },
    drawing: [],
    drawn: new Map(),
  };
  if (reads === 'fast') installFastGetRecords(services.kinesisClient);

  function drawnFor(service: 'kinesis' | 'dynamodb', operation: string, answer: object): object {
    if (!services.drawing.includes(service) || draws.next() > share) return answer;
    services.drawn.set(operation, (services.drawn.get(operation) ?? 0) + 1);
    const model = (service === 'kinesis' ? kinesisSdk : dynamoDb) as unknown as Readonly<Record<string, Schema>>;
    return drawAnswer(model[`${operation}$`] as Schema, answer, draws);
  }

  function onWire(request: { readonly headers: Record<string, string>; readonly body: unknown }): WireAnswer {
    const target = Object.entries(request.headers).find(([name]) => name.toLowerCase() === 'x-amz-target');
    const operation = String(target?.[1]).split('.')[1] ?? '';
    const input = JSON.parse(Buffer.from(request.body as string).toString()) as Record<string, unknown>;
    try {
      const answer = kinesis.handle(operation, input) as Record<string, unknown>;
      const drawn = drawnFor('kinesis', operation, answer) as Record<string, unknown>;
      // An answer that hides its records but returns an iterator after them would be a lie.
      const hidden = (answer['Records'] as readonly unknown[] | undefined)?.length !== 0;
      const empty = Array.isArray(drawn['Records']) && drawn['Records'].length === 0;
      if (operation === 'GetRecords' && hidden && empty) drawn['NextShardIterator'] = input['ShardIterator'];
      return jsonAnswer(drawn, 200, { 'content-type': 'application/x-amz-json-1.1' });
    } catch (error) {
      if (error instanceof AwsAnswerError) return errorAnswer(error);
      throw error;
    }
  }
  return services;
}
