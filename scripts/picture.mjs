// Draws docs/record.svg: the path of a record, and the tree of actors that it passes. `node scripts/picture.mjs` writes it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const width = 980;
const height = 560;

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** A box with lines of text. Its top left corner is at `x`, `y`. */
function box({ x, y, w, h = 54, lines, kind = 'actor' }) {
  const first = y + h / 2 - (lines.length - 1) * 8 + 4;
  return [
    `<rect class="${kind}" x="${x}" y="${y}" width="${w}" height="${h}" rx="6"/>`,
    ...lines.map(
      (line, place) =>
        `<text class="${place === 0 ? 'name' : 'note'}" x="${x + w / 2}" y="${first + place * 16}">${escape(line)}</text>`,
    ),
  ].join('\n');
}

/** An arrow through these points, with words beside its middle. */
function arrow(points, label, { back = false, dx = 0, dy = -7 } = {}) {
  const path = points.map(([x, y], place) => `${place === 0 ? 'M' : 'L'}${x} ${y}`).join(' ');
  const [one, other] = [points[Math.floor((points.length - 1) / 2)], points[Math.ceil((points.length - 1) / 2)]];
  const [from, to] = points.length === 2 ? points : [one, other];
  const [x, y] = [(from[0] + to[0]) / 2 + dx, (from[1] + to[1]) / 2 + dy];
  return [
    `<path class="${back ? 'back' : 'way'}" d="${path}" marker-end="url(#${back ? 'b' : 'w'})"/>`,
    `<text class="label" x="${x}" y="${y}">${escape(label)}</text>`,
  ].join('\n');
}

const heading = (x, y, text) => `<text class="heading" x="${x}" y="${y}">${escape(text)}</text>`;

const way = [
  heading(20, 28, 'The path of a record'),
  box({ x: 20, y: 70, w: 120, lines: ['Kinesis', 'one shard'], kind: 'outside' }),
  box({ x: 240, y: 70, w: 150, lines: ['shard worker', 'ledger: what is open'] }),
  box({ x: 500, y: 70, w: 150, lines: ['stage', 'extract, route by key'] }),
  ...[0, 1, 2].map((index) =>
    box({ x: 770, y: 40 + index * 62, w: 190, h: 50, lines: [`reducer ${index}`, 'your reduce and flush'] }),
  ),
  box({ x: 240, y: 230, w: 150, lines: ['lease keeper', 'one per lease'] }),
  box({ x: 20, y: 230, w: 120, lines: ['DynamoDB', 'the lease’s row'], kind: 'outside' }),
  arrow(
    [
      [140, 90],
      [240, 90],
    ],
    'records',
  ),
  arrow(
    [
      [390, 90],
      [500, 90],
    ],
    'a batch',
  ),
  ...[65, 127, 189].map((y, index) =>
    arrow(
      [
        [650, 90],
        [770, y],
      ],
      index === 0 ? 'items' : '',
    ),
  ),
  arrow(
    [
      [770, 201],
      [700, 201],
      [575, 201],
      [575, 124],
    ],
    'dispositions: what is done',
    { back: true, dy: 16 },
  ),
  arrow(
    [
      [500, 112],
      [390, 112],
    ],
    'dispositions',
    { back: true, dy: 15 },
  ),
  arrow(
    [
      [315, 124],
      [315, 230],
    ],
    'frontier',
    { back: true, dx: 32, dy: 4 },
  ),
  arrow(
    [
      [240, 257],
      [140, 257],
    ],
    'checkpoint',
    { back: true },
  ),
  `<text class="note left" x="430" y="250">Everything up to the frontier is dealt with.</text>`,
  `<text class="note left" x="430" y="268">No checkpoint passes it, whatever dies.</text>`,
];

const branches = [
  [0, 'consumer', 'rest-for-one'],
  [1, 'coordinators', 'one-for-all, escalates at once'],
  [2, 'lease-coordinator/<table>', 'finds shards, plans, takes leases'],
  [3, 'lease-keeper/<shard>', 'every write to its row'],
  [1, 'pipeline', 'one-for-all: all of it restarts together'],
  [2, 'stage/0 … S-1', 'routes items and dispositions'],
  [2, 'reducer/0 … R-1', 'your code; more of them than shards'],
  [2, 'shard-worker-supervisor', ''],
  [3, 'shard-worker/<shard>', 'reads one shard under one lease'],
];
const line = (place) => 345 + place * 23;
const parentOf = (place) => {
  const depth = branches[place][0];
  return branches.slice(0, place).findLastIndex(([other]) => other === depth - 1);
};

const tree = [
  heading(20, 322, 'The tree'),
  ...branches.flatMap(([depth, name, note], place) => {
    const x = 30 + depth * 34;
    const y = line(place);
    const stem =
      depth === 0 ? [] : [`<path class="stem" d="M${x - 26} ${line(parentOf(place)) + 6} V${y - 4} H${x - 6}"/>`];
    return [
      ...stem,
      `<text class="branch" x="${x}" y="${y}">${escape(name)}</text>`,
      `<text class="note left" x="400" y="${y}">${escape(note)}</text>`,
    ];
  }),
];

const marker = (id, colour) =>
  `<marker id="${id}" markerWidth="9" markerHeight="9" refX="8" refY="4" orient="auto"><path d="M0 0 L9 4 L0 8 z" fill="${colour}"/></marker>`;

export const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="The path of a record from its shard through shard worker, stage and reducers, and back as dispositions to the checkpoint; below it the tree of actors">
<defs>${marker('w', '#1f6feb')}${marker('b', '#b35900')}</defs>
<style>
text { font: 12px system-ui, sans-serif; fill: #1c2128; text-anchor: middle }
.name { font-weight: 600; font-size: 13px }
.heading { font-weight: 700; font-size: 16px; text-anchor: start }
.branch { font: 13px ui-monospace, monospace; text-anchor: start }
.note { fill: #57606a }
.left { text-anchor: start }
.label { font-size: 11px; fill: #57606a }
.actor { fill: #eef4ff; stroke: #1f6feb }
.outside { fill: #f6f8fa; stroke: #8c959f; stroke-dasharray: 4 3 }
.way { fill: none; stroke: #1f6feb; stroke-width: 1.6 }
.back { fill: none; stroke: #b35900; stroke-width: 1.6 }
.stem { fill: none; stroke: #8c959f }
</style>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${[...way, ...tree].join('\n')}
</svg>
`;

if (process.argv[1] === import.meta.filename) writeFileSync(join(root, 'docs/record.svg'), picture);
