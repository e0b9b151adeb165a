// The consumers of enhanced fan-out in the scripted Kinesis: register, describe, list, deregister. They belong to their stream, and
// end with it. Called by scripted-kinesis.ts and scripted-subscriptions.ts.
import { AwsAnswerError, invalidArgument, notFound, requiredText } from './answer-errors.js';
import type { ReadModel } from './scripted-reads.js';
import type { ScriptedConsumer, ScriptedStream } from './scripted-shards.js';

type Input = Readonly<Record<string, unknown>>;

/** As on AWS. */
const maxCreating = 5;
const tokenLifeMs = 300_000;
const validName = /^[a-zA-Z0-9_.-]{1,128}$/;

/** Carries out an operation on consumers. Undefined for any other operation. */
export function consumerOperation(model: ReadModel, operation: string, input: Input): object | undefined {
  switch (operation) {
    case 'RegisterStreamConsumer':
      return register(model, input);
    case 'DescribeStreamConsumer': {
      const { stream, consumer } = named(model, input);
      const described = describe(consumer, model.now());
      return { ConsumerDescription: { ...described, StreamARN: stream.arn } };
    }
    case 'ListStreamConsumers':
      return list(model, input);
    case 'DeregisterStreamConsumer': {
      const { consumer } = named(model, input);
      consumer.goneAt ??= model.now() + model.options.consumerMs;
      return {};
    }
    default:
      return undefined;
  }
}

/** The consumer with this ARN, and its stream. Throws ResourceNotFoundException if there is none. */
export function consumerOf(model: ReadModel, arn: string): { stream: ScriptedStream; consumer: ScriptedConsumer } {
  const [streamArn, rest = ''] = arn.split('/consumer/');
  const stream = streamWith(model, streamArn!);
  const consumer = present(stream, model.now()).find((one) => one.arn === arn);
  if (consumer === undefined) throw notFound(`Consumer ${rest} of stream ${stream.name} not found. ARN: ${arn}`);
  return { stream, consumer };
}

/** The state that the service shows. */
export function statusOf(consumer: ScriptedConsumer, now: number): 'CREATING' | 'ACTIVE' | 'DELETING' {
  if (consumer.goneAt !== undefined) return 'DELETING';
  return now < consumer.activeAt ? 'CREATING' : 'ACTIVE';
}

/** The consumers that are not gone yet, in the order of their names. Forgets those that are. */
export function present(stream: ScriptedStream, now: number): ScriptedConsumer[] {
  for (const { name, goneAt } of stream.consumers.values())
    if (goneAt !== undefined && goneAt <= now) stream.consumers.delete(name);
  return [...stream.consumers.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const streamWith = (model: ReadModel, arn: string): ScriptedStream => model.stream(arn.slice(arn.lastIndexOf('/') + 1));

function register(model: ReadModel, input: Input): object {
  const stream = streamWith(model, requiredText(input['StreamARN']));
  const name = requiredText(input['ConsumerName']);
  if (!validName.test(name))
    throw new AwsAnswerError('ValidationException', `ConsumerName must match ${validName.source}`);
  if (stream.status !== 'ACTIVE')
    throw new AwsAnswerError('ResourceInUseException', `Stream ${stream.name} is ${stream.status}, not ACTIVE.`);

  const now = model.now();
  const others = present(stream, now);
  if (others.some((one) => one.name === name))
    throw new AwsAnswerError('ResourceInUseException', `Consumer ${name} of stream ${stream.name} already exists.`);

  const creating = others.filter((one) => statusOf(one, now) === 'CREATING').length;
  if (others.length >= model.options.consumerLimit || creating >= maxCreating)
    throw new AwsAnswerError(
      'LimitExceededException',
      `Stream ${stream.name} has ${others.length} consumers, ${creating} of them CREATING. At most: ${model.options.consumerLimit}, and ${maxCreating}.`,
    );

  const consumer: ScriptedConsumer = {
    name,
    arn: `${stream.arn}/consumer/${name}:${Math.floor(now / 1_000)}`,
    createdAt: now,
    activeAt: now + model.options.consumerMs,
  };
  stream.consumers.set(name, consumer);
  return { Consumer: { ...describe(consumer, now), ConsumerStatus: 'CREATING' } };
}

function describe(consumer: ScriptedConsumer, now: number): object {
  return {
    ConsumerName: consumer.name,
    ConsumerARN: consumer.arn,
    ConsumerStatus: statusOf(consumer, now),
    ConsumerCreationTimestamp: consumer.createdAt / 1_000,
  };
}

/** The consumer that a request names, by its ARN or by the stream's ARN and its name. */
function named(model: ReadModel, input: Input): { stream: ScriptedStream; consumer: ScriptedConsumer } {
  const { ConsumerARN: arn, ConsumerName: name, StreamARN: streamArn } = input;
  if (typeof arn === 'string') {
    const found = consumerOf(model, arn);
    const agrees = (name ?? found.consumer.name) === found.consumer.name;
    if (agrees && (streamArn ?? found.stream.arn) === found.stream.arn) return found;
    throw invalidArgument('ConsumerARN, StreamARN and ConsumerName name different consumers.');
  }
  if (typeof name !== 'string' || typeof streamArn !== 'string')
    throw invalidArgument('Give ConsumerARN, or StreamARN and ConsumerName.');

  const stream = streamWith(model, streamArn);
  const consumer = present(stream, model.now()).find((one) => one.name === name);
  if (consumer === undefined) throw notFound(`Consumer ${name} of stream ${stream.name} not found.`);
  return { stream, consumer };
}

function list(model: ReadModel, input: Input): object {
  const stream = streamWith(model, requiredText(input['StreamARN']));
  const now = model.now();
  const token = input['NextToken'];
  const after = typeof token === 'string' ? openToken(token, now) : '';

  const left = present(stream, now).filter((one) => one.name > after);
  const size = Number(input['MaxResults'] ?? 100);
  const page = left.slice(0, size);
  const more = left.length > size;
  return {
    Consumers: page.map((one) => describe(one, now)),
    ...(more ? { NextToken: issueToken(page.at(-1)!.name, now) } : {}),
  };
}

const issueToken = (after: string, at: number): string => Buffer.from(JSON.stringify({ after, at })).toString('base64');

function openToken(token: string, now: number): string {
  const opened = JSON.parse(Buffer.from(token, 'base64').toString()) as { after: string; at: number };
  if (opened.at < now - tokenLifeMs) throw new AwsAnswerError('ExpiredNextTokenException', 'The token has expired.');
  return opened.after;
}
