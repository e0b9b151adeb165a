// What a trace says of the messages of one node in one run of a pipe: what came, and what became of it.
import type { TracedOutput, TracePoint } from './trace-point.js';

/** `open`: called, and nothing has become of it yet. `failed`: the last call has failed with it. */
export type Fate = 'open' | 'failed' | 'kept' | 'out' | 'dropped' | 'lost';

export interface CameIn {
  readonly number: number;
  /** Its first call. */
  readonly point: TracePoint;
  fate: Fate;
  holding: number | undefined;
  /** The state that keeps it. */
  state: number;
}

export interface WentOut {
  readonly point: TracePoint;
  readonly output: TracedOutput;
  /** The messages that it stands for, in the order of their arrival. */
  readonly of: readonly CameIn[];
}

export interface NodePath {
  readonly pipe: number;
  readonly run: number;
  readonly index: number;
  readonly node: string;
  readonly points: readonly TracePoint[];
  readonly cameIn: ReadonlyMap<number, CameIn>;
  /** Hidden ones, too. */
  readonly wentOut: readonly WentOut[];
}

export class TraceFailure extends Error {
  override readonly name = 'TraceFailure';
}

export function failTrace(spec: string, { node, number }: TracePoint, text: string): never {
  throw new TraceFailure(`${spec}: ${node} at #${number}: ${text}`);
}

/** The points of each node of each run, in the order of their first points. */
export function pathPoints(points: readonly TracePoint[]): readonly TracePoint[][] {
  const byNode = new Map<string, TracePoint[]>();
  for (const point of points) {
    const key = `${point.pipe} ${point.run} ${point.index}`;
    const list = byNode.get(key);
    if (list === undefined) byNode.set(key, [point]);
    else list.push(point);
  }
  return [...byNode.values()];
}

/** Whether a later run has begun: this one may have been cut off anywhere. */
export function isCut(
  points: readonly TracePoint[],
  { pipe, run }: { readonly pipe: number; readonly run: number },
): boolean {
  return points.some((point) => point.pipe === pipe && point.run > run);
}

/** Follows the messages of a node. A result that contradicts an earlier one fails. */
export function pathOf(spec: string, points: readonly TracePoint[]): NodePath {
  const cameIn = new Map<number, CameIn>();
  const wentOut: WentOut[] = [];
  for (const point of points) {
    if (point.phase === 'called') noteCall(spec, cameIn, point);
    else if (point.phase === 'threw') noteFailure(cameIn, point);
    else if (point.callback === 'handleLost') noteLost(cameIn, point);
    else noteResult(spec, { cameIn, wentOut }, point);
  }
  const { pipe, run, index, node } = points[0] as TracePoint;
  return { pipe, run, index, node, points, cameIn, wentOut };
}

function noteCall(spec: string, cameIn: Map<number, CameIn>, point: TracePoint): void {
  const { message: number, state } = point;
  if (number === undefined) return;
  const known = cameIn.get(number);
  if (known === undefined) {
    cameIn.set(number, { number, point, fate: 'open', holding: undefined, state });
    return;
  }
  if (!Object.is(known.point.value, point.value)) failTrace(spec, point, `message ${number} has another value`);
  if (known.fate !== 'failed') failTrace(spec, point, `message ${number} comes again, and it is ${known.fate}`);
  known.fate = 'open';
}

function noteFailure(cameIn: ReadonlyMap<number, CameIn>, point: TracePoint): void {
  const { message: number, failure, callback, state } = point;
  const came = number === undefined ? undefined : cameIn.get(number);
  if (came !== undefined) came.fate = 'failed';
  const isOfAll = failure === undefined && (callback === 'handleFlush' || callback === 'handleTimer');
  for (const each of cameIn.values())
    if (each.fate === 'kept' && (isOfAll ? each.state === state : isIn(each, failure?.of ?? []))) each.fate = 'failed';
}

function noteLost(cameIn: ReadonlyMap<number, CameIn>, { lease, state }: TracePoint): void {
  for (const each of cameIn.values())
    if (each.fate === 'kept' && each.state === state && each.point.lease === lease) each.fate = 'lost';
}

function noteResult(
  spec: string,
  { cameIn, wentOut }: { readonly cameIn: ReadonlyMap<number, CameIn>; readonly wentOut: WentOut[] },
  point: TracePoint,
): void {
  const taken = new Map<number, readonly CameIn[]>();
  const take = (held: number, fate: Fate): readonly CameIn[] => {
    const known = taken.get(held);
    if (known !== undefined) return known;
    const all = [...cameIn.values()].filter(
      (each) => isIn(each, [held]) && (each.fate === 'kept' || each.fate === 'failed' || each.number === held),
    );
    for (const each of all) {
      if (each.fate === 'out' || each.fate === 'dropped' || each.fate === 'lost')
        failTrace(spec, point, `message ${each.number} is ${fate}, and it was ${each.fate} before`);
      each.fate = fate;
    }
    taken.set(held, all);
    return all;
  };
  for (const output of point.outputs) {
    const of = output.of
      .flatMap((held) => take(held, 'out'))
      .sort((one, other) => one.point.number - other.point.number);
    wentOut.push({ point, output, of });
  }
  for (const held of point.drop) take(held, 'dropped');
  for (const { message, in: holding } of point.keep) {
    const came = cameIn.get(message);
    if (came === undefined) failTrace(spec, point, `message ${message} is kept, and it never came`);
    if (came.fate !== 'open') failTrace(spec, point, `message ${message} is kept, and it was ${came.fate} before`);
    Object.assign(came, { fate: 'kept', holding, state: point.state });
  }
  const own = point.message === undefined ? undefined : cameIn.get(point.message);
  if (own?.fate === 'open') failTrace(spec, point, `message ${own.number} is neither out, nor kept, nor dropped`);
}

function isIn({ number, holding }: CameIn, held: readonly number[]): boolean {
  return held.includes(number) || (holding !== undefined && held.includes(holding));
}
