// `kinact parked`: lists, shows and replays the items that a sink keeps.
import { KinactError } from '../api/errors.js';
import { replayParked } from './parked-replay.js';
import { listParked, showParked } from './parked-list.js';
import { UsageError, type Command, type CommandIo } from './command.js';
import { isClosedPipe } from './record-lines.js';

const actions: Readonly<Record<string, (args: readonly string[], io: CommandIo) => Promise<number>>> = {
  list: listParked,
  show: showParked,
  replay: replayParked,
};

export const parked: Command = {
  usage: `Usage: kinact parked list PLACE [--json]
       kinact parked show PLACE --id KEY
       kinact parked replay PLACE --into-stream S [--id KEY] [--limit N] [--again] [--yes]
       kinact parked replay PLACE --module FILE [--id KEY] [--limit N] [--again] [--yes]

Lists, shows and replays the items that a sink has parked. An item that was parked more than once is there once, as it was parked
last. PLACE is one of:

  --path DIR      the folder of a fileSink
  --stream S      the stream of a kinesisSink, by name or ARN: it is read from the oldest record to the newest
  --progress F    with --stream: the file that says what was replayed. replay needs it
  --application A the application that has parked the items. Needed only if the place has items of several

list: a line per item: idempotency key, time, source/shard/sequence number, key, attempts, when it was replayed, error.
  --json          a JSON object per item, with all members but the data

show: all of one item, its data as text if it is UTF-8, else as base64.
  --id KEY        the idempotency key, as list shows it

replay: without --yes, says what it would do. What was replayed is recorded, in DIR/replayed.jsonl or in the
file of --progress, and left out the next time.
  --into-stream S puts the records into a stream, by name or ARN, with their bytes, partition keys and hash keys. A record of which
                  several items are parked is put once. All its items come again, and every consumer of the stream gets them,
                  after the later items of their keys
  --module FILE   runs only the parked items, by the reducer of a JavaScript module: its default export, or its exports reducer,
                  extract and key. The file is loaded in a dry run, too
  --id KEY        only this item
  --limit N       only the N items that were parked first
  --again         also what was replayed before
  --yes           do it

What the service throttles is put again for a minute. What cannot be replayed is named on stderr and stays open. SIGTERM and
SIGINT end a replay: what was acknowledged by then is recorded, and the exit code is 1 if anything is left. An entry that cannot be
read is named on stderr and left out, and the exit code is 1. See docs/parked.md.
`,
  handlesSignals: true,
  async run([name, ...args], io) {
    if (name === undefined) throw new UsageError(`expected ${names()}, got nothing`);
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) throw new UsageError(`expected ${names()}, got '${name}'`);
    try {
      return await action(args, io);
    } catch (error) {
      // The reader of stdout has enough.
      if (isClosedPipe(error)) return 0;
      if (!io.signal.aborted || (error as Error).name !== 'AbortError') throw error;
      throw new KinactError('STOPPED', 'a signal came before the items were read');
    }
  },
};

function names(): string {
  const all = Object.keys(actions);
  return `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}
