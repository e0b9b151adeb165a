// Draws the pictures of docs/pipes.md from the texts in test/actors/pipe/sequences.test.ts: five sequences of messages, and the states of a
// node. So each picture shows what its test has seen. `node scripts/pipe-pictures.mjs` writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const source = 'test/actors/pipe/sequences.test.ts';

/** Where each state stands, and what its box says. */
const places = {
  initial: [30, 30, 'init runs'],
  ready: [230, 150, 'takes the next call'],
  working: [500, 150, 'a call runs'],
  blocked: [770, 60, 'its queue is full'],
  waiting: [500, 30, 'a failed call waits'],
  exiting: [365, 280, 'flushes and drains'],
  ended: [680, 280, 'every init has its terminate'],
};
const box = { width: 170, height: 48 };

/** Each edge: the points between which it goes, and where its words stand. */
const edges = {
  'initial -> ready': {
    points: [
      [115, 78],
      [115, 174],
      [230, 174],
    ],
    at: [65, 120],
  },
  'ready -> working': {
    points: [
      [400, 164],
      [500, 164],
    ],
    at: [450, 157],
  },
  'working -> ready': {
    points: [
      [500, 186],
      [400, 186],
    ],
    at: [450, 214],
  },
  'working -> blocked': {
    points: [
      [670, 166],
      [810, 166],
      [810, 108],
    ],
    at: [737, 158],
  },
  'blocked -> working': {
    points: [
      [890, 108],
      [890, 188],
      [670, 188],
    ],
    at: [785, 204],
  },
  'blocked -> ready': {
    points: [
      [855, 60],
      [855, 14],
      [270, 14],
      [270, 150],
    ],
    at: [755, 28],
  },
  'working -> waiting': {
    points: [
      [610, 150],
      [610, 78],
    ],
    at: [632, 118],
  },
  'waiting -> ready': {
    points: [
      [500, 54],
      [315, 54],
      [315, 150],
    ],
    at: [400, 46],
  },
  'working -> exiting': {
    points: [
      [600, 198],
      [600, 240],
      [480, 240],
      [480, 280],
    ],
    at: [560, 232],
  },
  'ready -> exiting': {
    points: [
      [315, 198],
      [315, 304],
      [365, 304],
    ],
    at: [215, 250],
  },
  'exiting -> ended': {
    points: [
      [535, 304],
      [680, 304],
    ],
    at: [607, 297],
  },
};

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const path = (points) => points.map(([x, y], at) => `${at === 0 ? 'M' : 'L'}${x} ${y}`).join(' ');
const text = (kind, x, y, words) => `<text class="${kind}" x="${x}" y="${y}">${escape(words)}</text>`;

function svg({ width, height, label, body }) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(label)}">
<defs><marker id="w" markerWidth="9" markerHeight="9" refX="8" refY="4" orient="auto"><path d="M0 0 L9 4 L0 8 z" fill="#1f6feb"/></marker></defs>
<style>
text { font: 12px system-ui, sans-serif; fill: #1c2128; text-anchor: middle }
.name { font-weight: 600; font-size: 13px }
.act { font-size: 11px }
.note, .label { font-size: 11px; fill: #57606a }
.actor { fill: #eef4ff; stroke: #1f6feb }
.doing { fill: #fff8e5; stroke: #b35900 }
.way { fill: none; stroke: #1f6feb; stroke-width: 1.6 }
.life { fill: none; stroke: #8c959f; stroke-dasharray: 4 3 }
</style>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${body.join('\n')}
</svg>
`;
}

/** The texts of the tests, by the first words of their names. */
function drawnIn(test) {
  const drawn = new Map();
  for (const [, name, lines] of test.matchAll(/\bit\('([^']+)'[\s\S]*?lines\(`([^`]*)`/g))
    drawn.set(name, lines.trim().split(/\n */));
  return drawn;
}

/** A line of a sequence: a message, or what an actor does. */
function stepOf(line) {
  const message = /^(.+) -> (.+?): (.+)$/.exec(line);
  if (message !== null) return { from: message[1], to: message[2], words: message[3] };
  const [, who, words] = /^(.+?): (.+)$/.exec(line);
  return { who, words };
}

function sequence(name, lines) {
  const steps = lines.map(stepOf);
  const actors = ['stage', 'pipe', 'node 0', 'node 1', 'node 2'].filter((actor) =>
    steps.some(({ from, to, who }) => [from, to, who].includes(actor)),
  );
  const [across, down, top] = [190, 27, 70];
  const xOf = (actor) => 95 + actors.indexOf(actor) * across;
  const height = top + steps.length * down + 10;
  const body = actors.flatMap((actor) => [
    `<path class="life" d="M${xOf(actor)} 48 V${height - 8}"/>`,
    `<rect class="actor" x="${xOf(actor) - 55}" y="14" width="110" height="34" rx="6"/>`,
    text('name', xOf(actor), 36, actor),
  ]);
  for (const [at, { from, to, who, words }] of steps.entries()) {
    const y = top + at * down;
    if (who === undefined) {
      const [start, end] = [xOf(from), xOf(to)];
      body.push(`<path class="way" d="M${start} ${y + 6} H${end}" marker-end="url(#w)"/>`);
      // An arrow over several lifelines has its words beside its sender.
      const beside = start + Math.sign(end - start) * (across / 2);
      body.push(text('label', beside, y, words));
    } else {
      body.push(`<rect class="doing" x="${xOf(who) - 75}" y="${y - 9}" width="150" height="20" rx="4"/>`);
      body.push(text('act', xOf(who), y + 5, words));
    }
  }
  return svg({ width: actors.length * across, height, label: `The messages of a pipe: ${name}`, body });
}

function states(lines) {
  const body = Object.entries(places).flatMap(([state, [x, y, note]]) => [
    `<rect class="actor" x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="6"/>`,
    text('name', x + box.width / 2, y + 20, state),
    text('note', x + box.width / 2, y + 37, note),
  ]);
  for (const { from, to, words } of lines.map(stepOf)) {
    const edge = edges[`${from} -> ${to}`];
    if (edge === undefined) throw new Error(`scripts/pipe-pictures.mjs has no place for ${from} -> ${to}`);
    body.push(`<path class="way" d="${path(edge.points)}" marker-end="url(#w)"/>`, text('label', ...edge.at, words));
  }
  return svg({ width: 980, height: 345, label: 'The states of a node, and what leads from one to the next', body });
}

/** Every picture, by its file. */
export function pipePictures() {
  const drawn = drawnIn(readFileSync(join(root, source), 'utf8'));
  const pictures = {};
  for (const [name, lines] of drawn) {
    const [, kind] = /^([\w ]+): /.exec(name) ?? [];
    if (kind === undefined) pictures['docs/pipe-states.svg'] = states(lines);
    else pictures[`docs/pipe-${kind.replaceAll(' ', '-')}.svg`] = sequence(name, lines);
  }
  return pictures;
}

if (process.argv[1] === import.meta.filename)
  for (const [file, picture] of Object.entries(pipePictures())) writeFileSync(join(root, file), picture);
