// A path as a sequence chart in plain text: columns for the steps of each process and for the row, with time running down.
import { after, type Choice } from './choices.js';
import { startOf } from './scenes.js';
import { rowText } from './table.js';
import type { Scene, World } from './world.js';

const width = 38;

/** The most lines of a chart. Of a longer one, only the beginning and the end are shown. */
const most = 240;

export function chart(scene: Scene, choices: readonly Choice[]): string {
  let world: World = { ...startOf(scene), said: [] };
  const heads = ['H', 'row', ...world.nodes.slice(1).map(({ name }) => name)];
  const lines = [line('', '', heads), line('', '0', [startText(world), rowText(world.row!)])];
  const start = world.now;
  for (const [step, choice] of choices.entries()) {
    world = after(scene, { ...world, said: [] }, choice);
    const columns = heads.map(() => [] as string[]);
    for (const { where, text } of world.said ?? [])
      columns[where === 'row' ? 1 : where === 0 ? 0 : where + 1]!.push(text);
    if (choice.kind === 'time') columns[0]!.push('·');
    lines.push(...rows(String(step + 1), String(world.now - start), columns, choice));
  }
  if (world.violation !== undefined) lines.push(`BROKEN: ${world.violation}`);
  if (lines.length > most) lines.splice(most / 2, lines.length - most, '  ...');
  return lines.join('\n');
}

function startText({ nodes }: World): string {
  const { shardWorker, calls } = nodes[0]!;
  const open = calls.map(({ record }) => `, works on record ${record + 1}`).join('');
  return shardWorker?.tenure === undefined
    ? `nothing is delivered here${open}`
    : `delivers under fence ${shardWorker.tenure.fence}${open}`;
}

function rows(step: string, time: string, columns: readonly (readonly string[])[], choice: Choice): string[] {
  const wrapped = columns.map((texts) => texts.flatMap(wrap));
  const height = Math.max(1, ...wrapped.map(({ length }) => length));
  if (wrapped.every(({ length }) => length === 0) && 'node' in choice)
    wrapped[choice.node === 0 ? 0 : choice.node + 1]!.push(choice.kind);
  return Array.from({ length: height }, (_each, index) =>
    line(
      index === 0 ? step : '',
      index === 0 ? time : '',
      wrapped.map((texts) => texts[index] ?? ''),
    ),
  );
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const cut = rest.lastIndexOf(' ', width);
    lines.push(rest.slice(0, cut <= 0 ? width : cut));
    rest = `  ${rest.slice(cut <= 0 ? width : cut + 1)}`;
  }
  return [...lines, rest];
}

function line(step: string, time: string, columns: readonly string[]): string {
  return `${step.padStart(4)} ${time.padStart(6)}  ${columns.map((text) => text.padEnd(width)).join(' | ')}`.trimEnd();
}
