// One moment of a traced pipe: a callback of a node is called, has returned, or has thrown.

/** A callback of a node, as `NodeDefinition` names it. */
export type TracedCallback = 'init' | 'handleMessage' | 'handleFlush' | 'handleTimer' | 'handleLost' | 'terminate';

/** An output of a result. */
export interface TracedOutput {
  /** What the next node gets. */
  readonly value: unknown;
  /** The numbers of the messages and holdings that it stands for. */
  readonly of: readonly number[];
  /** What it does to the route. Undefined: the route stays. */
  readonly route:
    | {
        /** The name of the new head. */
        readonly add: string;
      }
    | 'remove'
    | undefined;
  /** No later node sees it. */
  readonly hidden: boolean;
}

/** A message that a result keeps. */
export interface TracedKeep {
  /** The number of the message. */
  readonly message: number;
  /** The number of the holding that it went into. Undefined: it is kept as itself. */
  readonly in: number | undefined;
}

/** A trace point. Messages, holdings and states have numbers from 1, which are unique in the trace. */
export interface TracePoint {
  /** The place in the trace, from 0. */
  readonly number: number;
  /** The number of the pipe, from 0. */
  readonly pipe: number;
  /** How often this pipe has started, from 1. */
  readonly run: number;
  /** The name of the node, such as `aggregate/2`. */
  readonly node: string;
  /** The place of the node in the pipe, from 0. */
  readonly index: number;
  /** Which function of the node it is. */
  readonly callback: TracedCallback;
  /** `threw`: it has thrown, its promise has rejected, or a crash was injected. */
  readonly phase: 'called' | 'returned' | 'threw';
  /** The head of the route. Undefined on the main route. */
  readonly route: string | undefined;
  /** 1 for the first call, more after a failure. */
  readonly attempt: number;
  /** The time, milliseconds since the epoch. */
  readonly at: number;
  /** The state. 0: `init` has not made it yet. */
  readonly state: number;
  /** How many results the state has had: before the call if it is called, or else after it. */
  readonly version: number;
  /** What `snapshot` of the trace has made of the state, at this moment. Undefined without one. */
  readonly snapshot: unknown;
  /** The number of the message. Undefined in calls without a message. */
  readonly message: number | undefined;
  /** The value of the message. */
  readonly value: unknown;
  /** The item that the message stands for, as `shardId/sequenceNumber`; undefined if it stands for several. */
  readonly itemId: string | undefined;
  /** The lease of the message, or the one that was lost, as `source/shardId#fence`. */
  readonly lease: string | undefined;
  /** What the result sends on. Empty unless the callback has returned one; so are `keep` and `drop`. */
  readonly outputs: readonly TracedOutput[];
  /** What the result holds back. */
  readonly keep: readonly TracedKeep[];
  /** The numbers of what the result is done with. */
  readonly drop: readonly number[];
  /** What was thrown. Of a `NodeFailure` it is the cause. */
  readonly error: unknown;
  /** What a `NodeFailure` says has failed, and the version of its state. */
  readonly failure:
    | {
        /** The numbers of the messages and holdings. */
        readonly of: readonly number[];
        /** Which result it has, counted as in the point. */
        readonly version: number;
      }
    | undefined;
  /** The callback had returned when a crash was injected. */
  readonly wasDone: boolean;
}

/** Selects trace points: every member that is given must be equal. A function decides by itself. */
export type PointPattern =
  | ((point: TracePoint) => boolean)
  | {
      /** The name of the node, with or without its place: `aggregate/2` or `aggregate`. */
      readonly node?: string | undefined;
      /** The place of the node, from 0. */
      readonly index?: number | undefined;
      /** The number of the pipe, from 0. */
      readonly pipe?: number | undefined;
      /** Which function of the node. */
      readonly callback?: TracedCallback | undefined;
      /** Default: as the method says that takes the pattern. */
      readonly phase?: TracePoint['phase'] | undefined;
      /** The head, so it selects nothing on the main route. */
      readonly route?: string | undefined;
      /** From 1, so 2 selects the first repetition. */
      readonly attempt?: number | undefined;
      /** Compared with `Object.is`. */
      readonly value?: unknown;
    };

/** Whether the pattern selects the point. `phase`: for a pattern that names none. */
export function matches(pattern: PointPattern, point: TracePoint, phase: TracePoint['phase']): boolean {
  if (typeof pattern === 'function') return point.phase === phase && pattern(point);
  const { node, ...rest } = { phase, ...pattern };
  if (node !== undefined && node !== point.node && node !== point.node.replace(/\/\d+$/u, '')) return false;
  return Object.entries(rest).every(
    ([name, value]) => (value === undefined && name !== 'value') || Object.is(value, point[name as keyof TracePoint]),
  );
}

/** One line that shows a point. */
export function pointText(point: TracePoint): string {
  const { number, pipe, run, node, callback, phase, route, attempt, state, version, message, itemId, lease } = point;
  const parts = [`#${number} pipe ${pipe}.${run} ${node} ${callback} ${phase}`, `state ${state}.${version}`];
  if (route !== undefined) parts.push(`route ${route}`);
  if (attempt > 1) parts.push(`attempt ${attempt}`);
  if (message !== undefined) parts.push(`message ${message} = ${valueText(point.value)}`);
  if (itemId !== undefined) parts.push(`item ${itemId}`);
  if (callback === 'handleLost') parts.push(`lease ${lease}`);
  for (const { value, of, hidden } of point.outputs)
    parts.push(`${hidden ? 'hidden' : 'out'} ${valueText(value)} of ${of.join('+')}`);
  for (const each of point.keep) parts.push(`keep ${each.message}${each.in === undefined ? '' : ` in ${each.in}`}`);
  if (point.drop.length > 0) parts.push(`drop ${point.drop.join('+')}`);
  if (phase === 'threw') parts.push(String(point.error));
  return parts.join(', ');
}

const mostCharacters = 80;

function valueText(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each));
  } catch {
    text = undefined;
  }
  text ??= String(value);
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters)}…`;
}
