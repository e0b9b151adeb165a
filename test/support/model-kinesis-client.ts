// An object with the shape of a Kinesis client. It calls the scripted Kinesis directly, without HTTP, so readers run in virtual time.
import type { Clock, Timers } from '../../src/api/ports.js';
import type { KinesisClientLike } from '../../src/aws/kinesis/kinesis-client.js';
import { scanOrParse } from '../../src/aws/kinesis/get-records-answer.js';
import { AwsAnswerError } from '../../src/testing/scripted-server/answer-errors.js';
import type { ScriptedKinesisOptions } from '../../src/testing/index.js';
import { ScriptedKinesis } from '../../src/testing/scripted-server/scripted-kinesis.js';
import { awsError } from './aws-error.js';
import { modelSubscriptions, type ModelSubscriptions } from './model-subscriptions.js';

export interface ModelCall {
  readonly operation: string;
  readonly input: Record<string, any>;
  /** The time of the call, on the clock of the client. */
  readonly at: number;
}

/** The result of a script: the name of an AWS error, an answer, `hang`, or undefined for the model's own answer. */
export type ModelAnswer =
  | { readonly error: string; readonly status?: number }
  | { readonly body: object }
  | 'hang'
  | undefined;

export interface ModelClient extends KinesisClientLike {
  readonly kinesis: ScriptedKinesis;
  readonly calls: ModelCall[];
  /** The consumers of the streams, and what they subscribe to. */
  readonly subscriptions: ModelSubscriptions;
  script: (call: ModelCall) => ModelAnswer;
  of(operation: string): readonly ModelCall[];
}

export function modelClient(clock: Clock & Timers, options: ScriptedKinesisOptions = {}): ModelClient {
  const kinesis = new ScriptedKinesis({ now: () => clock.wallNow(), ...options });
  const calls: ModelCall[] = [];
  const subscriptions = modelSubscriptions(kinesis, clock);
  const client: ModelClient = {
    kinesis,
    calls,
    subscriptions,
    config: { region: 'us-east-1' },
    script: () => undefined,
    of: (operation) => calls.filter((call) => call.operation === operation),
    async send(command: { readonly input: Record<string, any> }, sent?: { readonly abortSignal?: AbortSignal }) {
      const operation = command.constructor.name.replace(/Command$/, '');
      const call = { operation, input: command.input, at: clock.now() };
      calls.push(call);
      const scripted = client.script(call);
      // Ignores the abort signal, like the worst clients.
      if (scripted === 'hang') return new Promise(() => undefined);
      if (scripted !== undefined && 'error' in scripted) throw awsError(scripted.error, 'scripted', scripted.status);
      if (scripted !== undefined) return scripted.body;
      const { handled, output } = subscriptions.handle(operation, call.input, sent?.abortSignal);
      if (handled) return output;
      const answer = answerOf(kinesis, operation, call.input) as { StreamDescriptionSummary?: { StreamName: string } };
      const { StreamDescriptionSummary: summary } = answer;
      if (summary === undefined) return answer;
      const ConsumerCount = subscriptions.countOf(summary.StreamName);
      return { StreamDescriptionSummary: { ...summary, ConsumerCount } };
    },
  };
  return client;
}

/** Returns or throws the model's answer in the form of the SDK's client. */
export function answerOf(kinesis: ScriptedKinesis, operation: string, input: Record<string, any>): object {
  try {
    return fromJson(kinesis.handle(operation, toJson(input)) as Record<string, any>);
  } catch (error) {
    throw error instanceof AwsAnswerError ? awsError(error.code, error.message, error.status) : error;
  }
}

function toJson(input: Record<string, any>): Record<string, any> {
  const timestamp: unknown = input['Timestamp'];
  return timestamp instanceof Date ? { ...input, Timestamp: timestamp.getTime() / 1000 } : input;
}

/** The answer of the model as the SDK's client gives it. */
export function fromJson(output: Record<string, any>): object {
  const summary = output['StreamDescriptionSummary'] as Record<string, any> | undefined;
  if (summary !== undefined) {
    const created = new Date((summary['StreamCreationTimestamp'] as number) * 1000);
    return { StreamDescriptionSummary: { ...summary, StreamCreationTimestamp: created } };
  }
  const records = output['Records'] as Record<string, any>[] | undefined;
  if (records === undefined) return output;
  const Records = records.map((record) => ({
    ...record,
    Data: Buffer.from(record['Data'] as string, 'base64'),
    ApproximateArrivalTimestamp: new Date((record['ApproximateArrivalTimestamp'] as number) * 1000),
  }));
  return { ...output, Records };
}

/** An answer of GetRecords as kinact's own client gives it: its bytes, taken apart by the scanner. Other answers as they are. */
export function fromBytes(output: Record<string, any>): object {
  const { Records, ...rest } = output;
  if (!Array.isArray(Records)) return output;
  const written = (Records as Record<string, any>[]).map((record) => {
    const at = record['ApproximateArrivalTimestamp'] as Date | undefined;
    return {
      ...record,
      Data: Buffer.from(record['Data'] as Uint8Array).toString('base64'),
      ApproximateArrivalTimestamp: at === undefined ? undefined : at.getTime() / 1_000,
    };
  });
  const bytes = Buffer.from(JSON.stringify({ Records: written, ...rest }));
  return scanOrParse([bytes], bytes.length);
}
