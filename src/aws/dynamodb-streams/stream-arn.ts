// The ARN of a DynamoDB stream: arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>. The label is the time at which the
// stream was enabled, so the ARN alone identifies the stream: a stream that is enabled again is another one.

export interface StreamArnParts {
  readonly region: string;
  readonly accountId: string;
  readonly table: string;
  readonly label: string;
}

/** Undefined if the text is no ARN of a DynamoDB stream. */
export function streamArnParts(arn: string): StreamArnParts | undefined {
  const [region, accountId, resource, ...label] = arn.split(':').slice(3);
  const [kind, table, stream, ...rest] = [resource, ...label].join(':').split('/');
  if (kind !== 'table' || stream !== 'stream' || table === undefined || rest.length !== 1) return undefined;
  return { region: region ?? '', accountId: accountId ?? '', table, label: rest[0] ?? '' };
}

/** The region of DynamoDB Local's ARNs. It is no region, so no client is configured for it. */
export const localRegion = 'ddblocal';

/** The stream's name in multi-stream keys, as the Java adapter writes it: no colon may be in it. */
export function javaStreamName({ region, table, accountId, label }: StreamArnParts): string {
  return [region, accountId, table, label.replaceAll(':', '_')].join('$');
}
