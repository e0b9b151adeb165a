// `kinact adopt`: takes over the tables that a KCL 3 fleet has left. Invariant: without --yes, nothing is changed. With --yes,
// nothing is changed while a worker writes to one of the tables, and no lease is ever removed.
import { openKcl3Remains, type Kcl3Remains, type Remains, type RemainsFound } from '../aws/dynamodb/kcl3-remains.js';
import { oneLine } from '../core/visible.js';
import { KinactError } from '../api/errors.js';
import type { Environment } from '../api/source.js';
import { alignColumns } from './columns.js';
import { applicationOf, readOptions, required, say, UsageError, type Command, type CommandIo } from './command.js';
import { retryReporter } from './retry-report.js';
import { firstChangedRow } from './table-watch.js';
import { hostEnvironment } from '../consumer/host-environment.js';

/**
 * A KCL 3 worker writes its metrics, and a leader its row, every 30 s. This is twice as long, and some more for a slow worker.
 */
const minWatchMs = 70_000;

export interface Adoption {
  readonly tableName: string;
  readonly watchMs: number;
  readonly yes: boolean;
}

export const adopt: Command = {
  usage: `Usage: kinact adopt --application A [--failover-ms MS] [--yes]

Takes over the lease table of an application that KCL 3 workers have run. It removes their side tables, and what KCL 3 keeps
beside the leases. Leases and checkpoints stay as they are. Stop every KCL 3 worker first. Without --yes it only prints what
it would remove.

  --application A   the application, which is the name of its lease table, in the region of the AWS environment
  --failover-ms MS  the fleet's failover time, if it is above 70000: the tables are watched for that long
  --yes             do it. The tables are watched for 70 s first; if anything in them changes, nothing is removed
`,
  handlesSignals: false,
  async run(args, io) {
    const options = readOptions(args, { application: 'string', 'failover-ms': 'string', yes: 'boolean' });
    const failover = options['failover-ms'] ?? '0';
    if (!/^\d{1,9}$/.test(failover)) throw new UsageError(`--failover-ms: expected milliseconds, got '${failover}'`);
    const tableName = applicationOf(required(options.application, 'application'));
    const onRetry = retryReporter((text) => say(io, text), hostEnvironment.clock);
    const tables = openKcl3Remains({ tableName, ...hostEnvironment, onRetry });
    const adoption = { tableName, watchMs: Math.max(minWatchMs, Number(failover)), yes: options.yes };
    try {
      return await adoptTables(adoption, { tables, environment: hostEnvironment }, io);
    } finally {
      tables.close();
    }
  },
};

export interface AdoptionPlace {
  readonly tables: Kcl3Remains;
  readonly environment: Pick<Environment, 'clock' | 'timers'>;
}

/** The work of `kinact adopt`, with the caller's streams, services and clock. Resolves to the exit code. */
export async function adoptTables(adoption: Adoption, place: AdoptionPlace, io: CommandIo): Promise<number> {
  const { tableName, yes } = adoption;
  const { tables } = place;

  const first = await tables.find(io.signal);
  for (const stranger of first.strangers)
    say(io, `table '${stranger}' has the name of a side table and is not the KCL's: it is left alone`);

  if (first.remains.length === 0) {
    await print(io, [`adopt: table '${tableName}' has no KCL 3 state`]);
    return 0;
  }

  const found = yes ? await findAtRest(adoption, place, first, io) : first;
  await print(io, remainsLines(found.remains));
  if (!yes) {
    await print(io, [
      `adopt: ${summary(found.remains)} to remove for '${tableName}'; nothing was changed, --yes applies it`,
    ]);
    return 0;
  }

  await removeAll(adoption, place, found.remains, io);
  await print(io, [`adopt: ${summary(found.remains)} removed for '${tableName}'`]);
  return 0;
}

/** Watches the tables. Resolves to their content if nothing changes for long enough, or throws REFUSED. */
async function findAtRest(
  { tableName, watchMs: minMs }: Adoption,
  { tables, environment }: AdoptionPlace,
  first: RemainsFound,
  io: CommandIo,
): Promise<RemainsFound> {
  const watchMs = Math.max(minMs, first.failoverMs);
  say(io, `watching the tables of '${tableName}' for ${Math.ceil(watchMs / 1_000)} s, to see if a worker writes`);

  let found = first;
  const changedRow = await firstChangedRow(environment, watchMs, async () => {
    found = await tables.find(io.signal);
    return found.picture;
  });

  if (changedRow === undefined) return found;
  throw new KinactError(
    'REFUSED',
    `row ${changedRow} is being written to: stop every worker of the application first. Nothing was changed`,
    { data: { table: tableName } },
  );
}

/** Removes one after the other. If a run is interrupted, the next run removes the rest. */
async function removeAll(
  { tableName }: Adoption,
  { tables }: AdoptionPlace,
  remains: readonly Remains[],
  io: CommandIo,
): Promise<void> {
  for (const [index, each] of remains.entries()) {
    const rest = `${index} of ${remains.length} were removed; stop every worker and run this command again`;
    let outcome: 'removed' | 'refused';
    try {
      outcome = await tables.remove(each, io.signal);
    } catch (error) {
      const cause = error as Error;
      throw new KinactError('REFUSED', `${nameOf(each)} could not be removed (${oneLine(cause.message)}): ${rest}`, {
        cause,
        data: { table: tableName },
      });
    }
    if (outcome === 'refused')
      throw new KinactError('REFUSED', `${nameOf(each)} has been changed by another writer: ${rest}`, {
        data: { table: tableName },
      });
  }
}

function nameOf(each: Remains): string {
  return each.type === 'table' ? `table ${each.tableName}` : `row ${each.key}`;
}

function remainsLines(remains: readonly Remains[]): readonly string[] {
  const cells = remains.map((each): readonly string[] => {
    switch (each.type) {
      case 'row':
        return [`row ${each.key}`, each.entityType, '(removed)'];
      case 'handover':
        return [`row ${each.key}`, `checkpointOwner ${each.checkpointOwner}`, '(attribute removed; the lease stays)'];
      case 'table':
        return [`table ${each.tableName}`, `${each.rows} rows`, '(removed)'];
    }
  });
  return alignColumns([['WHAT', 'IS', 'BECOMES'], ...cells]);
}

function summary(remains: readonly Remains[]): string {
  const count = (type: Remains['type']): number => remains.filter((each) => each.type === type).length;
  return [counted(count('row'), 'row'), counted(count('handover'), 'attribute'), counted(count('table'), 'table')].join(
    ', ',
  );
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

async function print(io: CommandIo, lines: readonly string[]): Promise<void> {
  await new Promise((resolve) => io.stdout.write(`${lines.join('\n')}\n`, resolve));
}
