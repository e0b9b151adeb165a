// Draws one hand-over of a benchmark run over time, as SVG: the deliveries of both workers, and their reads and writes of the
// lease's row. It is drawn twice: from the wish on, and its last moments enlarged. `--picture FILE` writes the picture.
import type { TableCall } from './hand-over-calls.js';
import type { Move } from './hand-over-judge.js';
import type { HandOverRun } from './hand-over-run.js';

const width = 980;
const left = 120;
const right = 20;
const bandHeight = 230;
const lanes = { from: 60, row: 120, to: 180 } as const;
const marginMs = 400;
const closeUpMs = 40;

interface Span {
  readonly from: number;
  readonly until: number;
  readonly title: string;
}

/** The steal with the median time, among the steals for which the old owner was told to drain. */
export function medianSteal(moves: readonly Move[]): Move | undefined {
  const steals = moves.filter(({ kind, ordered }) => kind === 'steal' && ordered).toSorted((a, b) => a.ms - b.ms);
  return steals[Math.floor((steals.length - 1) / 2)];
}

export function pictureOf(run: Pick<HandOverRun, 'calls' | 'deliveries' | 'orders'>, move: Move): string {
  const { calls, deliveries, orders } = run;
  const { shardId, from, to, at } = move;
  const ofShard = calls.filter(({ leaseKey, worker }) => leaseKey === shardId && (worker === from || worker === to));
  const order = orders.findLast((each) => each.shardId === shardId && each.worker === from && each.at <= at);
  const wished = ofShard.findLast(
    (call) => call.kind === 'wish' && call.worker === to && call.at < at && !isBetween(ofShard, call, at),
  );
  const began = wished?.at ?? at - 2_000;
  const pausedAt = order?.at ?? at;
  const mine = deliveries.filter((each) => each.shardId === shardId && (each.worker === from || each.worker === to));
  const band = (top: number, span: Span): string =>
    [
      `<g transform="translate(0 ${top})">`,
      text(left, 24, span.title, 'title'),
      ...frame(from, to),
      ...mine
        .filter(({ at }) => isIn(span, at))
        .map((each) => tick(span, each.at, each.worker === from ? 'from' : 'to')),
      ...marks(span, ofShard, from, order?.at),
      ...axis(span, pausedAt),
      '</g>',
    ].join('\n');
  const whole = {
    from: began - marginMs,
    until: at + marginMs,
    title: `${shardId} from ${from} to ${to}, from the wish on`,
  };
  const last = {
    from: pausedAt - closeUpMs,
    until: at + closeUpMs,
    title: `its last moments: ${Math.round(move.ms)} ms between the last delivery, or the pause, and the next delivery`,
  };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${2 * bandHeight}" font-family="sans-serif" font-size="11">`,
    `<style>.title{font-size:14px}.lane{stroke:#bbb}.tick{stroke:#2a6}.call{fill:#246}.refused{fill:#c33}.note{fill:#444}.time{fill:#777}</style>`,
    `<rect width="${width}" height="${2 * bandHeight}" fill="white"/>`,
    band(0, whole),
    band(bandHeight, last),
    '</svg>',
    '',
  ].join('\n');
}

/** Whether this wish was withdrawn before `until`. A withdrawn wish did not cause the move. */
function isBetween(calls: readonly TableCall[], wish: TableCall, until: number): boolean {
  return calls.some(
    ({ kind, worker, at }) => kind === 'withdrawal' && worker === wish.worker && at > wish.at && at < until,
  );
}

const isIn = (span: Span, at: number): boolean => at >= span.from && at <= span.until;
const round = (value: number): number => Math.round(value * 10) / 10;

function x(span: Span, at: number): number {
  return round(left + ((width - left - right) * (at - span.from)) / (span.until - span.from));
}

function text(at: number, y: number, words: string, kind: string, anchor = 'start'): string {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${at}" y="${y}" class="${kind}" text-anchor="${anchor}">${safe}</text>`;
}

function frame(from: string, to: string): string[] {
  const names = { from: `${from} delivers`, row: 'the row', to: `${to} delivers` };
  return (Object.keys(lanes) as (keyof typeof lanes)[]).flatMap((lane) => [
    text(left - 10, lanes[lane] + 4, names[lane], 'note', 'end'),
    `<line x1="${left}" y1="${lanes[lane]}" x2="${width - right}" y2="${lanes[lane]}" class="lane"/>`,
  ]);
}

function tick(span: Span, at: number, lane: 'from' | 'to'): string {
  const place = x(span, at);
  return `<line x1="${place}" y1="${lanes[lane] - 7}" x2="${place}" y2="${lanes[lane] + 7}" class="tick"/>`;
}

/** Draws calls as dots on the row's line. The old owner's names are above, the new owner's below, in the first of two rows with room. */
function marks(span: Span, calls: readonly TableCall[], from: string, pausedAt: number | undefined): string[] {
  const drawn: string[] = [];
  const rows = { above: [lanes.row - 10, lanes.row - 24], below: [lanes.row + 20, lanes.row + 34] };
  const ends = new Map<number, number>();
  const name = (at: number, words: string, side: 'above' | 'below'): void => {
    const y = rows[side].find((row) => at >= (ends.get(row) ?? -Infinity));
    if (y === undefined) return;
    ends.set(y, at + 6.5 * words.length);
    drawn.push(text(at, y, words, 'note'));
  };
  if (pausedAt !== undefined && isIn(span, pausedAt)) {
    const at = x(span, pausedAt);
    drawn.push(
      `<line x1="${at}" y1="${lanes.from - 12}" x2="${at}" y2="${lanes.from + 12}" stroke="#c70" stroke-width="2"/>`,
      text(at + 4, lanes.from - 14, 'pauses', 'note'),
    );
  }
  for (const { kind, worker, at, accepted } of calls) {
    if (!isIn(span, at)) continue;
    const place = x(span, at);
    const size = kind === 'look' ? 2 : 4;
    drawn.push(`<circle cx="${place}" cy="${lanes.row}" r="${size}" class="${accepted ? 'call' : 'refused'}"/>`);
    // The new owner's renewal is the fence. The old owner's renewals get no name.
    const words = kind !== 'renewal' ? kind : worker === from ? 'look' : 'fence';
    if (words !== 'look') name(place, words, worker === from ? 'above' : 'below');
  }
  return drawn;
}

/** The labels count the time from the pause. */
function axis(span: Span, zero: number): string[] {
  const length = span.until - span.from;
  const step = [10, 20, 50, 100, 200, 500, 1_000, 2_000].find((each) => length / each <= 10) ?? 5_000;
  const first = Math.ceil((span.from - zero) / step) * step;
  const count = Math.floor((span.until - zero - first) / step) + 1;
  return Array.from({ length: count }, (_, index) => first + index * step).map((ms) =>
    text(x(span, zero + ms), bandHeight - 18, `${ms} ms`, 'time', 'middle'),
  );
}
