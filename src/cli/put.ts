// `kinact put`: puts the lines of stdin into a stream. Every line is either put or counted as refused. The last line on stderr
// always gives the number of records that the service accepted.
import { kinesisProducer } from '../aws/kinesis/kinesis-producer.js';
import { errorLine, readOptions, required, say, streamOf, type Command } from './command.js';
import { putLines, type PutCounts } from './put-lines.js';
import { hostEnvironment } from '../consumer/host-environment.js';

/** How many refused lines are named on stderr. The others are only counted. */
const namedRefusals = 10;

export const put: Command = {
  usage: `Usage: kinact put --stream S [--aggregate] [--key-field F]

Puts every line of stdin into a stream as a record; the newline is not part of it.

  --stream S      the stream, by name or ARN; an ARN sets account and region
  --aggregate     pack the lines into KPL aggregates, grouped by the shard they belong to
  --key-field F   a line is a JSON object, its member F (string, number or boolean) the partition key.
                  Without it every line gets a random key, or none where the
                  stream places records itself (AUTO), which takes no --aggregate

What the service throttles is put again. A line that cannot be put is refused: the first ten are named on stderr, the others
counted. The last line on stderr is 'N records put'. Exit code 1 when a line was refused. After a lost reply, records may be
put twice. SIGTERM and SIGINT end the reading: what was read by then is put and counted. A signal that comes more than 2 s
later ends the command at once.
`,
  handlesSignals: true,
  async run(args, io) {
    const options = readOptions(args, { stream: 'string', aggregate: 'boolean', 'key-field': 'string' });
    const stream = streamOf(required(options.stream, 'stream'));
    const counts: PutCounts = { put: 0, refused: 0 };
    const producer = kinesisProducer({ ...stream, ...hostEnvironment });
    let failed = false;

    try {
      await putLines({
        input: io.stdin,
        producer,
        keyField: options['key-field'],
        aggregate: options.aggregate,
        signal: io.signal,
        counts,
        refused: (line, reason) => {
          if (counts.refused <= namedRefusals) say(io, `line ${line} refused: ${reason}`);
        },
        warn: (text) => say(io, text),
      });
    } catch (error) {
      failed = true;
      say(io, errorLine(error));
    } finally {
      producer.close();
    }

    if (counts.refused > namedRefusals) say(io, `${counts.refused} lines refused in all`);
    await new Promise((resolve) => io.stderr.write(`${counts.put} records put\n`, resolve));
    return failed || counts.refused > 0 ? 1 : 0;
  },
};
