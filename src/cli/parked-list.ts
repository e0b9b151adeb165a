// `kinact parked list` and `kinact parked show`: what is parked. They only read. Texts of records and errors come from outside, so
// they are escaped.
import { chainText } from '../core/thrown.js';
import { excerpt, visible } from '../core/visible.js';
import { valuesOf, type StoredError, type StoredFault, type StoredItem } from '../parking/stored-item.js';
import { readOptions, required, say, type CommandIo } from './command.js';
import {
  entryOf,
  placeOf,
  placeOptions,
  readPlace,
  refuseIncomplete,
  type ParkedPlace,
  type ParkedState,
} from './parked-source.js';
import { isClosedPipe, lineWriter, timeText } from './record-lines.js';

/** An error's message may be a page. */
const maxErrorCharacters = 200;

export async function listParked(args: readonly string[], io: CommandIo): Promise<number> {
  const { json, ...options } = readOptions(args, { ...placeOptions, json: 'boolean' });
  const place = placeOf(options);
  const state = await readPlace(place, io);
  const writer = lineWriter(io.stdout);
  try {
    for (const entry of state.entries) {
      // A reader of the pipe that has gone has enough. After a signal, the output is incomplete.
      if (io.signal.aborted) return isClosedPipe(io.stdout.errored) ? 0 : 1;
      const line = (json ? jsonLine : textLine)(await entry.read(), state.replayed.get(entry.idempotencyKey));
      await writer.write(`${visible(line)}\n`);
    }
  } finally {
    await state.close();
  }
  refuseIncomplete(state);
  // An empty output alone would not say whether anything was looked at.
  if (state.entries.length === 0) say(io, `0 items in ${place.name}`);
  return 0;
}

export async function showParked(args: readonly string[], io: CommandIo): Promise<number> {
  const { id, ...options } = readOptions(args, { ...placeOptions, id: 'string' });
  const key = required(id, 'id');
  const place = placeOf(options);
  const state = await readPlace(place, io);
  try {
    const lines = await linesOf(state, key, place);
    await lineWriter(io.stdout).write(lines.map((line) => `${visible(line)}\n`).join(''));
  } finally {
    await state.close();
  }
  return 0;
}

async function linesOf(state: ParkedState, key: string, place: ParkedPlace): Promise<readonly string[]> {
  return fieldLines(await entryOf(state.entries, key, place).read(), state.replayed.get(key));
}

/** A time that no Date can hold is shown as it is. */
const timeOf = (at: number): string => timeText(at) ?? String(at);

function positionOf({ source, shardId, sequenceNumber, subSequenceNumber }: StoredItem): string {
  const sub = subSequenceNumber === undefined ? '' : `.${subSequenceNumber}`;
  return `${source}/${shardId}/${sequenceNumber}${sub}`;
}

function faultText({ name, message, code }: StoredFault): string {
  return `${name}${code === undefined ? '' : ` (${code})`}: ${message}`;
}

/** An error with its causes in one line, as a replay shows it. */
function errorText({ causes, ...error }: StoredError): string {
  const messages = [faultText(error), ...causes.map(({ message }) => message)];
  const chain = messages.reduceRight<Error | undefined>((cause, message) => new Error(message, { cause }), undefined);
  return chainText(chain);
}

function textLine(item: StoredItem, replayedAt: string | undefined): string {
  const { idempotencyKey, parkedAt, partitionKey = '-', attempts, error } = item;
  // A record that gave no item has no other key.
  const { key = partitionKey } = item;
  const { message } = item;
  const node = message === undefined ? [] : [`at ${[message.node, ...message.route].join('/')}`];
  const times = `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
  const cells = [idempotencyKey, timeOf(parkedAt), positionOf(item), key, ...node, times];
  return [
    ...cells,
    ...(replayedAt === undefined ? [] : [`replayed ${replayedAt}`]),
    excerpt(errorText(error), maxErrorCharacters),
  ].join('  ');
}

/** The members and their order are a contract. The data may be large: only `show` has it. */
function jsonLine(item: StoredItem, replayedAt: string | undefined): string {
  const { data, error, arrivedAt, failedAt, parkedAt, ...rest } = item;
  return JSON.stringify({
    ...rest,
    arrivedAt: timeText(arrivedAt),
    failedAt: timeText(failedAt),
    parkedAt: timeText(parkedAt),
    replayedAt: replayedAt ?? null,
    dataBytes: data.length,
    error,
  });
}

function fieldLines(item: StoredItem, replayedAt: string | undefined): readonly string[] {
  const { data, error, arrivedAt, failedAt, parkedAt, message, ...rest } = item;
  const fields: Readonly<Record<string, string | number | undefined>> = {
    ...rest,
    arrivedAt: arrivedAt === undefined ? undefined : timeOf(arrivedAt),
    failedAt: timeOf(failedAt),
    parkedAt: timeOf(parkedAt),
    replayedAt,
  };
  return [
    ...Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}: ${value}`),
    ...messageLines(message),
    ...errorLines(error),
    ...dataLines(data, message),
  ];
}

/** Where a message of a pipe failed, and what it stands for. */
function messageLines(message: StoredItem['message']): readonly string[] {
  if (message === undefined) return [];
  const { node, index, nodes, route, standsFor } = message;
  return [
    `node: ${node} (${index + 1} of ${nodes.length}: ${nodes.join(', ')})`,
    ...(route.length === 0 ? [] : [`route: ${route.map((head) => JSON.stringify(head)).join(' ')}`]),
    ...standsFor.map(({ source, shardId, fence, first, last, items }) => {
      const range = first === last ? first : `${first} to ${last}`;
      return `stands for: ${plural(items, 'item')} of ${source}/${shardId}, ${range}, fence ${fence}`;
    }),
  ];
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function errorLines({ causes, ...error }: StoredError): readonly string[] {
  return [...faultLines('error', error), ...causes.flatMap((cause) => faultLines('caused by', cause))];
}

/** The first line of a stack is the error again. */
function faultLines(title: string, fault: StoredFault): readonly string[] {
  const frames = (fault.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [`${title}: ${faultText(fault)}`, ...frames.map((line) => `  ${line.trim()}`)];
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The values of a message each have lines of their own. */
function dataLines(data: Buffer, message?: StoredItem['message']): readonly string[] {
  const values = message === undefined ? [] : valuesOf(data, message);
  if (values.length > 1) return values.flatMap((value) => dataLines(value));
  const title = `${data.length} bytes`;
  try {
    return [`data (${title}, text): ${utf8.decode(data)}`];
  } catch {
    return [`data (${title}, base64): ${data.toString('base64')}`];
  }
}
