// Loads @aws-sdk/client-dynamodb-streams, an optional peer, when a DynamoDB stream is used first. The parts that kinact uses are
// described by shape: no declaration of kinact imports the package, so applications without DynamoDB streams need not install it.
import type { NodeHttpHandler } from '@smithy/node-http-handler';
import { KinactError } from '../../api/errors.js';

/** A client of the SDK, as far as it is used here. */
export interface StreamsClient {
  send(command: object, options?: object): Promise<unknown>;
  readonly config: { readonly region?: unknown };
  readonly middlewareStack: { remove(name: string): boolean };
  destroy(): void;
}

/** The configuration of a client of kinact's own. */
export interface StreamsClientConfig {
  readonly region?: string;
  readonly maxAttempts: number;
  readonly requestHandler: NodeHttpHandler;
}

type CommandOf<Input> = new (input: Input) => object;

/** The parts of the package that are used. */
export interface StreamsSdk {
  readonly DynamoDBStreamsClient: new (config: StreamsClientConfig) => StreamsClient;
  readonly DescribeStreamCommand: CommandOf<DescribeStreamInput>;
  readonly GetShardIteratorCommand: CommandOf<GetShardIteratorInput>;
  readonly GetRecordsCommand: CommandOf<GetRecordsInput>;
}

export interface DescribeStreamInput {
  readonly StreamArn: string;
  readonly Limit?: number;
  readonly ExclusiveStartShardId?: string;
  readonly ShardFilter?: { readonly Type: 'CHILD_SHARDS'; readonly ShardId: string };
}

export interface GetShardIteratorInput {
  readonly StreamArn: string;
  readonly ShardId: string;
  readonly ShardIteratorType: 'TRIM_HORIZON' | 'AT_SEQUENCE_NUMBER' | 'AFTER_SEQUENCE_NUMBER';
  readonly SequenceNumber?: string;
}

export interface GetRecordsInput {
  readonly ShardIterator: string;
  readonly Limit: number;
}

/** @throws KinactError PEER_MISSING with the command that installs the package. */
export async function loadStreamsSdk(
  load: () => Promise<unknown> = () => import('@aws-sdk/client-dynamodb-streams'),
): Promise<StreamsSdk> {
  try {
    return (await load()) as StreamsSdk;
  } catch (cause) {
    throw new KinactError(
      'PEER_MISSING',
      'dynamodbStream needs the package @aws-sdk/client-dynamodb-streams, which cannot be loaded. Run: npm install @aws-sdk/client-dynamodb-streams',
      { cause },
    );
  }
}
