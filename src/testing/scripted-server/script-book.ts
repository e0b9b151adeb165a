// The scripted answers of a server, and its log of received calls. Called by scripted-server.ts.
import { refuseShown } from '../../api/misplaced.js';
import { callback, times as howOften, oneOf, text } from '../../options/option-table.js';
import { answerTypesOf, type ScriptedAnswer } from './scripted-answer.js';
import { faultNames } from './subscription-stream.js';

/** One call the server has received. */
export interface LoggedCall {
  /** The service, by the `X-Amz-Target` of the request. */
  readonly service: 'kinesis' | 'dynamodb' | 'streams' | 'unknown';
  /** The name of the operation, such as `GetRecords`. */
  readonly operation: string;
  /** The request's body. */
  readonly input: Readonly<Record<string, unknown>>;
  /** When the whole body had arrived, in monotonic milliseconds (performance.now). */
  readonly at: number;
  /** The number of the connection, counted from 1. */
  readonly connection: number;
  /** `default`, or the type of the scripted answer. */
  readonly answeredBy: 'default' | ScriptedAnswer['type'];
}

/** Scripted answers that wait for their calls. */
export interface Script {
  /** How many answers are left. */
  readonly remaining: number;
  /** Withdraws the answers that are left. */
  cancel(): void;
}

interface ScriptEntry {
  readonly operation: string;
  readonly answer: ScriptedAnswer;
  readonly when: (input: LoggedCall['input']) => boolean;
  remaining: number;
}

/** The form of all operation names. A script for a name of another form would wait forever. */
const operationName = text(
  'the name of an operation, such as GetRecords or streams:GetRecords',
  /^(?:(?:kinesis|dynamodb|streams):)?[A-Z][A-Za-z]+$/,
);

/** Kinesis and DynamoDB Streams share names of operations; `streams:GetRecords` means only the one of DynamoDB Streams. */
const isNamed = (call: Pick<LoggedCall, 'service' | 'operation'>, name: string): boolean =>
  name === call.operation || name === `${call.service}:${call.operation}`;

/** The scripted answers of one server, and its log. */
export interface ScriptBook {
  readonly log: readonly LoggedCall[];
  readonly respond: (
    operation: string,
    times: number,
    answer: ScriptedAnswer,
    when?: (input: LoggedCall['input']) => boolean,
  ) => Script;
  /** Logs a call. Returns the scripted answer for the call, and uses it up. */
  readonly takeAnswer: (call: Omit<LoggedCall, 'answeredBy' | 'at'>) => ScriptedAnswer | undefined;
  readonly calls: (operation: string) => readonly LoggedCall[];
  readonly called: (operation: string, count: number) => Promise<void>;
}

const onlySubscriptions = (operation: string): string =>
  `'breakSubscription', which is for SubscribeToShard only, for ${operation}`;

export function createScriptBook(): ScriptBook {
  const log: LoggedCall[] = [];
  const entries: ScriptEntry[] = [];
  const waiters = new Set<() => void>();
  const calls = (operation: string): LoggedCall[] => log.filter((call) => isNamed(call, operation));
  return {
    log,
    calls,
    respond(operation, times, answer, when = () => true) {
      operationName.parse(operation, 'operation');
      howOften.parse(times, 'times');
      const type = (answer as Partial<ScriptedAnswer> | undefined)?.type;
      if (type === 'breakSubscription' && !answerTypesOf(operation).includes(type))
        refuseShown('answer.type', 'an answer that fits the operation', onlySubscriptions(operation));
      oneOf(...answerTypesOf(operation)).parse(type, 'answer.type');
      if (answer.type === 'breakSubscription') oneOf(...faultNames).parse(answer.fault.fault, 'answer.fault.fault');
      callback().parse(when, 'when');

      const order: ScriptEntry = { operation, answer, when, remaining: times };
      entries.push(order);

      return {
        get remaining() {
          return order.remaining;
        },
        cancel: () => (order.remaining = 0),
      };
    },
    takeAnswer(call) {
      const order = entries.find((one) => one.remaining > 0 && isNamed(call, one.operation) && one.when(call.input));
      if (order !== undefined) order.remaining -= 1;
      log.push({ ...call, at: performance.now(), answeredBy: order?.answer.type ?? 'default' });
      for (const wake of waiters) wake();
      return order?.answer;
    },
    called: async (operation, count) => {
      operationName.parse(operation, 'operation');
      howOften.parse(count, 'count');
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          if (calls(operation).length < count) return;
          waiters.delete(wake);
          resolve();
        };
        waiters.add(wake);
        wake();
      });
    },
  };
}
