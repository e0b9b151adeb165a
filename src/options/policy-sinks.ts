// The sinks of a failure policy. Can a pipe use them, and does one of them put items into a stream that the consumer reads? Each of these
// would come back, fail again and be parked again, for ever. A function as `onFailure` shows its sinks only at its first answers.
import type { OnFailure } from '../api/failure-policy.js';
import { refuseShown } from '../api/misplaced.js';
import type { NamedStream, ParkingSink } from '../api/parking.js';
import type { Pipe } from '../api/pipe.js';
import { refuseName } from '../api/refusal.js';
import type { SourceSpec } from '../api/source.js';

interface PlacedSink {
  readonly sink: ParkingSink;
  /** The option, for messages. */
  readonly path: string;
}

/** The sinks that the policy names. */
export function sinksOf(onFailure: OnFailure, path = 'onFailure'): readonly PlacedSink[] {
  if (typeof onFailure !== 'object') return [];
  if (onFailure.type === 'park') return [{ sink: onFailure.sink, path }];
  return sinksOf(onFailure.then, `${path}.then`);
}

/** Refuses the policy `park` for a pipe that does not say how its values become bytes. */
export function refuseUnwritable(onFailure: OnFailure, { format }: Pick<Pipe, 'format'>): void {
  const [parks] = sinksOf(onFailure);
  if (parks === undefined || format !== undefined) return;
  refuseName(
    parks.path,
    'park needs to know how the values of the pipe become bytes: write pipe({ format: json }), or give a format of your own',
  );
}

/** Refuses a sink whose stream is certainly one that the consumer reads. */
export function refuseOwnStreams(onFailure: OnFailure, sources: readonly SourceSpec[]): void {
  for (const { sink, path } of sinksOf(onFailure)) {
    const own = sources.find(({ stream }) => relation(stream, sink.stream) === 'same');
    if (own === undefined) continue;
    const got = `'${own.name}': what is parked there comes back to the consumer, for ever`;
    refuseShown(path, 'a sink with a stream that the consumer does not read', got);
  }
}

/** What to say of a sink, once: it puts items into a stream that may be one of these sources. */
export type DoubtOf = (sink: ParkingSink) => string | undefined;

export function createDoubts(sources: readonly SourceSpec[]): DoubtOf {
  const seen = new WeakSet<ParkingSink>();
  return (sink) => {
    if (sink.stream === undefined || seen.has(sink)) return undefined;
    seen.add(sink);
    const own = sources.find(({ stream }) => relation(stream, sink.stream) !== 'other');
    if (own === undefined) return undefined;
    const name = sink.stream.streamArn ?? sink.stream.streamName;
    const is = relation(own.stream, sink.stream) === 'same' ? 'is' : 'may be (it has the same name)';
    return `the stream '${name}' for parked items ${is} '${own.name}', which this consumer reads: what is parked there would come back for ever; park into another stream`;
  };
}

/** How a source's stream and that of a sink relate. Without an ARN, the account is that of the client. */
function relation(source: NamedStream | undefined, sink: NamedStream | undefined): 'same' | 'maybe' | 'other' {
  if (source === undefined || sink === undefined || source.streamName !== sink.streamName) return 'other';
  const arns = [source.streamArn, sink.streamArn];
  if (!arns.includes(undefined)) return arns[0] === arns[1] ? 'same' : 'other';
  const regions = [regionOf(source), regionOf(sink)];
  if (!regions.includes(undefined) && regions[0] !== regions[1]) return 'other';
  if (arns.some((arn) => arn !== undefined) || source.client !== sink.client) return 'maybe';
  return source.client !== undefined || regions[0] === regions[1] ? 'same' : 'maybe';
}

/** Your own client may be set to another region than the option names. */
function regionOf({ streamArn, region, client }: NamedStream): string | undefined {
  if (streamArn !== undefined) return streamArn.split(':')[3];
  return client === undefined ? region : undefined;
}
