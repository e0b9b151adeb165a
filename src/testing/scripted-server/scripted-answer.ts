// The answers that a test can script, and how the scripted server sends them. Called by scripted-server.ts.
import { AwsAnswerError } from './answer-errors.js';
import type { Outgoing, ScriptedConnections } from './scripted-connections.js';
import type { SubscriptionFault, SubscriptionStream } from './subscription-stream.js';

/** A whole HTTP answer before it is sent. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  /** Makes the body instead, as long as the answer lasts: a subscription. */
  readonly stream?: SubscriptionStream;
}

/** Kinesis's answer to each action of AWS Fault Injection Service. */
const injected = {
  'aws:fis:inject-api-internal-error': { code: 'InternalFailure', status: 500 },
  'aws:fis:inject-api-throttle-error': { code: 'ThrottlingException', status: 400 },
  'aws:fis:inject-api-unavailable-error': { code: 'ServiceUnavailable', status: 503 },
  'aws:kinesis:stream-provisioned-throughput-exception': {
    code: 'ProvisionedThroughputExceededException',
    status: 400,
  },
  'aws:kinesis:stream-expired-iterator-exception': { code: 'ExpiredIteratorException', status: 400 },
} as const;

/** The name of an action of AWS Fault Injection Service that Kinesis supports. */
export type FaultAction = keyof typeof injected;

/** The answers that `respond` accepts. "Carried out" means that the call has its usual effect and answer. */
export type ScriptedAnswer =
  /** This body, with status 200; the call is not carried out. */
  | {
      readonly type: 'json';
      /** The body, or a function that makes it from the body of the request. */
      readonly body: object | ((input: never) => object);
    }
  /** This AWS error, status 400 by default: `{ type: 'error', code: 'ProvisionedThroughputExceededException' }`. */
  | {
      readonly type: 'error';
      /** The error's name, which the SDK shows as `error.name`. */
      readonly code: string;
      /** The text of the error. Default `scripted`. */
      readonly message?: string;
      /** The HTTP status. Default 400. */
      readonly status?: number;
      /** Further members of the body, such as the `Item` of a failed condition. */
      readonly members?: object;
    }
  /** The error of this action of AWS Fault Injection Service; the call is not carried out. */
  | {
      readonly type: 'fault';
      /** The name of the action. */
      readonly action: FaultAction;
    }
  /** This body as it is, such as malformed JSON or a proxy's HTML; the call is not carried out. */
  | {
      readonly type: 'raw';
      /** The HTTP status. Default 200. */
      readonly status?: number;
      /** The body, sent as UTF-8. */
      readonly body: string;
      /** Further headers. The default is the content type of the AWS JSON protocol. */
      readonly headers?: Record<string, string>;
    }
  /** The connection is reset instead of an answer; the call is not carried out. */
  | { readonly type: 'reset' }
  /** No answer until the client gives up, the server stops, or `hangLimitMs` has passed; the call is not carried out. */
  | { readonly type: 'hang' }
  /** Carried out, but the reply is lost: the connection is reset. */
  | { readonly type: 'dropReply' }
  /** Carried out at once; the answer leaves after `ms`. */
  | {
      readonly type: 'delay';
      /** Milliseconds. */
      readonly ms: number;
    }
  /** Carried out. Headers and half of the body leave at once, the rest after `ms` (default: `hangLimitMs`). */
  | {
      readonly type: 'slowBody';
      /** Milliseconds. */
      readonly ms?: number;
    }
  /** Carried out, but the answer lacks these members: `['NextShardIterator', 'ChildShards']`. */
  | {
      readonly type: 'omit';
      /** The names of the members of the answer. */
      readonly members: readonly string[];
    }
  /**
   * PutRecords: the records at these indices fail with `code` (default ProvisionedThroughputExceededException), the others
   * are carried out.
   */
  | {
      readonly type: 'failRecords';
      /** The places of the failing records in the request, from 0. */
      readonly indices: readonly number[];
      /** The code of each failed record. */
      readonly code?: string;
    }
  /** SubscribeToShard: carried out, and then the subscription breaks. */
  | {
      readonly type: 'breakSubscription';
      /** How it breaks. */
      readonly fault: SubscriptionFault;
      /** How many events come before. Default 0. */
      readonly afterEvents?: number;
    };

const known: Readonly<Record<ScriptedAnswer['type'], true>> = {
  json: true,
  error: true,
  raw: true,
  reset: true,
  hang: true,
  dropReply: true,
  delay: true,
  slowBody: true,
  failRecords: true,
  fault: true,
  omit: true,
  breakSubscription: true,
};
const answerTypes = Object.keys(known) as readonly ScriptedAnswer['type'][];
const notForSubscriptions: readonly ScriptedAnswer['type'][] = ['omit', 'failRecords'];

/** The types of answers that an operation can have. A subscription has no members to omit, and only it can break. */
export function answerTypesOf(operation: string): readonly ScriptedAnswer['type'][] {
  return operation.endsWith('SubscribeToShard')
    ? answerTypes.filter((type) => !notForSubscriptions.includes(type))
    : answerTypes.filter((type) => type !== 'breakSubscription');
}

export function jsonAnswer(body: object, status = 200, headers: Record<string, string> = {}): WireAnswer {
  return { status, headers, body: Buffer.from(JSON.stringify(body)) };
}

export function errorAnswer(error: AwsAnswerError): WireAnswer {
  const body = { __type: error.code, message: error.message, ...error.members };
  return jsonAnswer(body, error.status, { 'x-amzn-errortype': error.code });
}

/** Writes an answer. With `pause`, half of the body leaves at once, and the other half when `pause` resolves. */
export async function write(response: Outgoing, answer: WireAnswer, pause?: Promise<void>): Promise<void> {
  if (isGone(response)) return;
  if (answer.stream !== undefined) {
    response.writeHead(answer.status, answer.headers);
    await pause;
    await answer.stream.run();
    return;
  }
  response.writeHead(answer.status, { ...answer.headers, 'content-length': String(answer.body.length) });
  if (pause === undefined) {
    response.end(answer.body);
    return;
  }

  const half = answer.body.length >> 1;
  response.write(answer.body.subarray(0, half));
  await pause;
  response.end(answer.body.subarray(half));
}

/** True if the client has left. Then a stream of HTTP/2 has no place to write to. */
const isGone = (response: Outgoing): boolean => response.stream?.destroyed ?? response.destroyed;

export interface ScriptedCall {
  readonly input: Record<string, unknown>;
  readonly carryOut: (given?: Record<string, unknown>) => Promise<WireAnswer>;
  readonly response: Outgoing;
  readonly connections: Pick<ScriptedConnections, 'reset'>;
  readonly signal: AbortSignal;
  readonly hangLimitMs: number;
}

export async function sendScripted(scripted: ScriptedAnswer, call: ScriptedCall): Promise<void> {
  const { carryOut, response, signal } = call;
  const reset = (): void => call.connections.reset(response);
  switch (scripted.type) {
    case 'json': {
      const body = scripted.body;
      return write(response, jsonAnswer(typeof body === 'function' ? body(call.input as never) : body));
    }
    case 'error': {
      const { code, message = 'scripted', status, members } = scripted;
      return write(response, errorAnswer(new AwsAnswerError(code, message, status, members)));
    }
    case 'fault': {
      const { code, status } = injected[scripted.action];
      return write(response, errorAnswer(new AwsAnswerError(code, `injected by ${scripted.action}`, status)));
    }
    case 'raw': {
      const headers = { 'content-type': 'application/x-amz-json-1.1', ...scripted.headers };
      return write(response, { status: scripted.status ?? 200, headers, body: Buffer.from(scripted.body) });
    }
    case 'reset':
      return reset();
    case 'hang':
      await pause(call.hangLimitMs, response, signal);
      return reset();
    case 'dropReply':
      await carryOut();
      return reset();
    case 'delay': {
      const answer = await carryOut();
      await pause(scripted.ms, response, signal);
      return write(response, answer);
    }
    case 'slowBody': {
      const answer = await carryOut();
      await write(response, answer, pause(scripted.ms ?? call.hangLimitMs, response, signal));
      return undefined;
    }
    case 'omit': {
      const answer = await carryOut();
      const whole = JSON.parse(answer.body.toString()) as object;
      const left = Object.entries(whole).filter(([member]) => !scripted.members.includes(member));
      return write(response, { ...answer, body: Buffer.from(JSON.stringify(Object.fromEntries(left))) });
    }
    case 'failRecords':
      return write(response, await failRecords(scripted, call.input, carryOut));
    case 'breakSubscription': {
      const answer = await carryOut();
      answer.stream?.breakAfter(scripted.afterEvents ?? 0, scripted.fault);
      return write(response, answer);
    }
  }
}

async function failRecords(
  scripted: Extract<ScriptedAnswer, { type: 'failRecords' }>,
  input: Record<string, unknown>,
  carryOut: ScriptedCall['carryOut'],
): Promise<WireAnswer> {
  const records = input['Records'] as unknown[];
  const failing = new Set(scripted.indices.filter((index) => index < records.length));
  const accepted = records.filter((_, index) => !failing.has(index));

  const carried = await carryOut({ ...input, Records: accepted });
  if (carried.status !== 200) return carried;

  const results = (JSON.parse(carried.body.toString()) as { Records: object[] }).Records;
  const code = scripted.code ?? 'ProvisionedThroughputExceededException';
  const merged = records.map((_, index) =>
    failing.has(index) ? { ErrorCode: code, ErrorMessage: 'scripted' } : results.shift(),
  );

  return jsonAnswer({ FailedRecordCount: failing.size, Records: merged });
}

/** Resolves after `ms`, or as soon as the client disconnects or the server stops. */
function pause(ms: number, response: Outgoing, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      response.off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    };

    const timer = setTimeout(done, ms);
    response.once('close', done);
    signal.addEventListener('abort', done, { once: true });

    if (signal.aborted || isGone(response)) done();
  });
}
