// Answers as the SDK's clients give them: with the `Date` header that kinact's own layer reads from the response, and errors as
// instances of the classes in the service's model. The lists of the models' errors come from the SDK.
import * as dynamoDb from '@aws-sdk/client-dynamodb';
import * as kinesis from '@aws-sdk/client-kinesis';

export type Service = 'kinesis' | 'dynamodb';

interface SdkErrorOptions {
  readonly message: string;
  readonly $metadata: { readonly httpStatusCode: number };
  readonly Item?: unknown;
}

type SdkError = new (options: SdkErrorOptions) => Error & { readonly $fault: 'client' | 'server' };

function errorsOf(model: object, base: abstract new (...args: never) => Error): ReadonlyMap<string, SdkError> {
  const isError = (value: unknown): value is SdkError => typeof value === 'function' && value.prototype instanceof base;
  return new Map(
    Object.entries(model)
      .filter((entry): entry is [string, SdkError] => isError(entry[1]))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const models: Readonly<Record<Service, ReadonlyMap<string, SdkError>>> = {
  kinesis: errorsOf(kinesis, kinesis.KinesisServiceException),
  dynamodb: errorsOf(dynamoDb, dynamoDb.DynamoDBServiceException),
};

/** Errors that every service may answer with, and errors of the client's side. They are in no model. */
const outsideTheModels: readonly { readonly name: string; readonly status: number; readonly code?: string }[] = [
  { name: 'ThrottlingException', status: 400 },
  { name: 'InternalFailure', status: 500 },
  { name: 'ServiceUnavailable', status: 503 },
  { name: 'UnrecognizedClientException', status: 400 },
  { name: 'ExpiredTokenException', status: 400 },
  { name: 'InvalidSignatureException', status: 400 },
  { name: 'CredentialsProviderError', status: 0 },
  { name: 'SyntaxError', status: 200 },
  { name: 'TimeoutError', status: 0, code: 'ECONNRESET' },
];

/** Every error that a service may answer any call with. */
export function errorNames(service: Service): readonly string[] {
  return [...models[service].keys(), ...outsideTheModels.map(({ name }) => name)];
}

/** The error of this name as the SDK's client would throw it. */
export function errorOf(service: Service, name: string, message: string, item?: unknown): Error {
  const metadata = (httpStatusCode: number): { readonly $metadata: { readonly httpStatusCode: number } } => ({
    $metadata: { httpStatusCode },
  });
  const Made = models[service].get(name);
  if (Made !== undefined) {
    const isServers = new Made({ message, ...metadata(400) }).$fault === 'server';
    return new Made({ message, ...metadata(isServers ? 500 : 400), ...(item === undefined ? {} : { Item: item }) });
  }
  const known = outsideTheModels.find((each) => each.name === name) ?? { name, status: 400 };
  const { status, code } = known as { readonly status: number; readonly code?: string };
  return Object.assign(new Error(message), {
    name,
    ...(code === undefined ? {} : { code }),
    ...(status === 0 ? {} : metadata(status)),
  });
}

/** Whether a call that failed with this error may still have been carried out. */
export function mayHaveHappened(error: Error): boolean {
  const { $metadata, name } = error as Error & { readonly $metadata?: { readonly httpStatusCode: number } };
  const status = $metadata?.httpStatusCode ?? 0;
  return status >= 500 || name === 'SyntaxError' || name === 'TimeoutError';
}

type Layer = (next: () => Promise<object>) => () => Promise<object>;

/** The answer, after kinact's layer has seen its header. A `Date` header has whole seconds. */
export async function answered(command: object, output: object, serviceTimeMs: number): Promise<object> {
  const headers = { date: new Date(serviceTimeMs).toUTCString() };
  let send = async (): Promise<object> => ({ response: { headers }, output });
  const { middlewareStack } = command as {
    readonly middlewareStack?: { applyToStack(stack: object): void };
  };
  middlewareStack?.applyToStack({
    add: (layer: Layer, { name }: { readonly name?: string }) => {
      if (name === 'kinactServiceTime') send = layer(send);
    },
    addRelativeTo: () => {},
    identifyOnResolve: () => false,
  });
  await send();
  return output;
}
