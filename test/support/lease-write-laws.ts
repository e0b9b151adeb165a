// The laws of the writes of kinact's workers to a lease table, judged only by the writes that a witness has seen. The laws share no code
// with the library. A lease changes its owner only by a write of its owner or by a take. The owner releases the lease, or hands it over
// to the author of the wish in the row. A take needs a row without an owner, or an owner that was silent for its failover time. No other
// worker's write moves a row's counter or checkpoint. Wish and answer are about one tenure, and are removed when the owner changes.
import { expectedBy, type WitnessedRow, type WitnessedWrite } from './lease-witness.js';

export interface OwnerChange {
  readonly kind: 'take' | 'release' | 'handOver' | 'lapse';
  readonly leaseKey: string;
  /** Names of workers. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** The row after the change. */
  readonly row: WitnessedRow;
  readonly doneAt: number;
  /** How long the row's counter had not changed when the write was sent. */
  readonly silentMs: number;
  /** Whether this is the first take of a row that was created again after somebody had deleted it. */
  readonly remade: boolean;
}

export interface WriteVerdict {
  readonly complaints: readonly string[];
  readonly changes: readonly OwnerChange[];
  /**
   * Writes by an owner after its right to deliver had ended, or may have ended, because no answer to an earlier write came in time. The
   * witness does not see when an answer arrives, so it assumes the latest possible time. The owner does not change.
   */
  readonly lapses: readonly OwnerChange[];
}

interface Standing {
  row: WitnessedRow;
  /** When the counter was last moved, and when the wish last changed. */
  movedAt: number;
  wishedAt: number;
  /** When the mover sent its last write that got an answer; and its write before that, if any. */
  heardOfAt: number;
  heardOfBeforeAt: number;
  /** The row was deleted and created again, and no worker has taken the lease since. */
  remade: boolean;
  /** The worker that moved the counter last. */
  mover: string | undefined;
  /** All checkpoints that the row has had. */
  readonly stoodAt: ReadonlySet<string | undefined>;
}

/** One accepted write, with the row before and after it. */
interface Step {
  readonly write: WitnessedWrite;
  readonly before: Standing;
  readonly after: WitnessedRow;
  readonly complain: (what: string) => void;
  readonly nameOf: (workerId: string) => string | undefined;
}

/** `nameOf` returns a worker's name at the witness for its id in the table. */
export function judgeWrites(
  writes: readonly WitnessedWrite[],
  nameOf: (workerId: string) => string | undefined,
): WriteVerdict {
  const complaints: string[] = [];
  const changes: OwnerChange[] = [];
  const rows = new Map<string, Standing>();
  const deleted = new Map<string, Standing>();
  for (const write of writes) {
    const { worker, operation, leaseKey = '?', request, doneAt } = write;
    const before = rows.get(leaseKey);
    if (!write.accepted) {
      if (before !== undefined && isSecondTry(write, before)) before.heardOfAt = before.heardOfBeforeAt;
      continue;
    }
    const complain = (what: string): void =>
      void complaints.push(`${leaseKey} #${before?.row['leaseCounter']?.N ?? '-'}, by ${worker}: ${what}`);
    if (operation === 'PutItem') {
      if (before !== undefined) complain('a row that was there is put again');
      if (request.Item?.['leaseOwner'] !== undefined) complain('a row is made with an owner');
      const [row, was] = [request.Item ?? {}, deleted.get(leaseKey)];
      // After a hand-over the new owner may not have seen the row yet. So the holder must be the owner and the last mover.
      if (was !== undefined)
        judgeRemade(row, was, worker === was.mover && worker === nameOf(was.row['leaseOwner']?.S ?? ''), complain);
      const stoodAt = new Set([row['checkpoint']?.S]);
      rows.set(leaseKey, {
        row,
        movedAt: doneAt,
        wishedAt: doneAt,
        heardOfAt: write.sentAt,
        heardOfBeforeAt: write.sentAt,
        remade: was !== undefined,
        mover: undefined,
        stoodAt,
      });
    } else if (operation === 'DeleteItem') {
      complain('DeleteItem is no write that is expected here');
      if (before !== undefined) deleted.set(leaseKey, before);
      rows.delete(leaseKey);
    } else if (operation !== 'UpdateItem') complain(`${operation} is no write that is expected here`);
    else if (before === undefined) complain('an update makes a row of a few attributes');
    else {
      const after = applied(before.row, write);
      const change = judgeStep({ write, before, after, complain, nameOf });
      if (change !== undefined) changes.push(change);
      const moved = after['leaseCounter']?.N !== before.row['leaseCounter']?.N;
      const wished = after['kinactWish']?.S !== before.row['kinactWish']?.S;
      rows.set(leaseKey, {
        row: after,
        movedAt: moved ? doneAt : before.movedAt,
        heardOfAt: moved ? write.sentAt : before.heardOfAt,
        heardOfBeforeAt: moved ? (before.mover === worker ? before.heardOfAt : write.sentAt) : before.heardOfBeforeAt,
        wishedAt: wished ? doneAt : before.wishedAt,
        remade: before.remade && change === undefined,
        mover: moved ? worker : before.mover,
        stoodAt: new Set([...before.stoodAt, after['checkpoint']?.S]),
      });
    }
  }
  const isLapse = ({ kind }: OwnerChange): boolean => kind === 'lapse';
  return { complaints, changes: changes.filter((each) => !isLapse(each)), lapses: changes.filter(isLapse) };
}

/** Whether the last mover tries to move the counter from an older value: it got no answer to its last write. */
function isSecondTry(write: WitnessedWrite, { row, mover }: Standing): boolean {
  return write.worker === mover && Number(expectedBy(write)['leaseCounter']?.N) < Number(row['leaseCounter']?.N);
}

function judgeStep(step: Step): OwnerChange | undefined {
  const { write, before, after, complain } = step;
  const touched = touchedBy(write);
  for (const name of judged)
    if (write.shown !== undefined && JSON.stringify(write.shown[name]) !== JSON.stringify(after[name]))
      complain(`the table shows another ${name} than the witness has`);
  if (!['leaseCounter', 'leaseOwner', 'checkpoint', 'kinactWriter'].some((name) => touched.has(name))) {
    if (touched.has('kinactWish') || touched.has('kinactAnswer')) judgeWish(step, touched);
    return undefined;
  }
  judgeCounter(step);
  if (numberOf(after['checkpoint']?.S) < numberOf(before.row['checkpoint']?.S)) complain('the checkpoint falls');
  return judgeOwner(step);
}

function failoverOf(row: WitnessedRow): number {
  return Number(row['kinactFailover']?.S?.split(' ')[0] ?? Number.NaN);
}

/** The holder knows the row's last checkpoint, any other worker only an earlier one. Counters, and so fences, must rise. */
function judgeRemade(row: WitnessedRow, was: Standing, isHolder: boolean, complain: (what: string) => void): void {
  const checkpoint = row['checkpoint']?.S;
  if (Number(row['leaseCounter']?.N) <= Number(was.row['leaseCounter']?.N)) complain('its counter falls');
  if (isHolder && numberOf(checkpoint) < numberOf(was.row['checkpoint']?.S))
    complain('its holder makes it again before where it stood');
  if (!isHolder && !was.stoodAt.has(checkpoint)) complain('it is made again where it never stood');
}

/** The attributes that are compared with the row in the answer of a write. */
const judged = ['leaseOwner', 'leaseCounter', 'checkpoint', 'kinactWriter', 'kinactWish', 'kinactAnswer'];

function judgeCounter({ write, before: { row }, after, complain }: Step): void {
  const behind = expectedBy(write)['leaseCounter']?.N;
  if (behind === undefined || behind !== row['leaseCounter']?.N) complain(`its condition is counter ${behind}`);
  if (Number(after['leaseCounter']?.N) !== Number(row['leaseCounter']?.N) + 1)
    complain('the counter does not rise by one');
}

function judgeOwner(step: Step): OwnerChange | undefined {
  const { write, before, after, complain, nameOf } = step;
  const { worker, doneAt, leaseKey = '' } = write;
  const [was, is] = [before.row['leaseOwner']?.S, after['leaseOwner']?.S];
  const [from, to] = [was, is].map((id) => (id === undefined ? undefined : (nameOf(id) ?? `a stranger, ${id}`)));
  if (was === is) {
    if (from !== worker) complain(`the owner is ${from}`);
    // The margin is a tenth of the failover time, and the witness sees a write later than its author sends it.
    const leastMs = 0.8 * failoverOf(before.row);
    const lapse = { kind: 'lapse', leaseKey, from, to, remade: false } as const;
    const silentMs = doneAt - before.heardOfAt;
    if (silentMs >= leastMs) return { ...lapse, row: after, doneAt, silentMs };
    // A process that gets no turn gets an answer late. The witness only knows that the answer arrived before this write.
    const unheardMs = write.sentAt - before.heardOfBeforeAt;
    if (unheardMs >= leastMs) return { ...lapse, row: before.row, doneAt: before.movedAt, silentMs: unheardMs };
    return undefined;
  }
  for (const name of ['kinactWish', 'kinactAnswer'])
    if (after[name] !== undefined) complain(`${name} outlives the tenure that it is about`);
  const kind = is === undefined ? 'release' : to === worker ? 'take' : 'handOver';
  if (kind !== 'take' && from !== worker) complain(`a ${kind} of what ${from} owns`);
  if (kind === 'take' && was !== undefined) judgeForce(step, from);
  if (kind === 'handOver') judgeHandOver(step);
  return {
    kind,
    leaseKey,
    from,
    to,
    row: after,
    doneAt,
    silentMs: write.sentAt - before.movedAt,
    remade: before.remade,
  };
}

function judgeForce({ write, before, complain }: Step, from: string | undefined): void {
  const failoverMs = failoverOf(before.row);
  const silentMs = write.sentAt - before.movedAt;
  if (!(silentMs > failoverMs)) complain(`taken from ${from}, silent for ${Math.round(silentMs)} of ${failoverMs} ms`);
}

/** The new owner must be the author of the wish in the row, and the wish must be for this tenure. */
function judgeHandOver({ before, after, complain }: Step): void {
  const wish = wishIn(before.row);
  const heir = after['leaseOwner']?.S;
  if (wish === undefined) return complain('a hand-over without a wish');
  if (wish.workerId !== heir) complain(`handed to ${heir}, and wished for by ${wish.workerId}`);
  if (wish.writer !== after['kinactWriter']?.S)
    complain(`handed to ${after['kinactWriter']?.S}, wished by ${wish.writer}`);
  if (wish.holder !== before.row['kinactWriter']?.S) complain(`its wish was for the tenure of ${wish.holder}`);
}

function judgeWish({ write, before, after, complain, nameOf }: Step, touched: ReadonlySet<string>): void {
  const others = [...touched].filter((name) => name !== 'kinactWish' && name !== 'kinactAnswer');
  if (others.length > 0) complain(`a wish that writes ${others.join(', ')}`);
  const [old, wish] = [wishIn(before.row), wishIn(after)];
  const isOwn = old === undefined || nameOf(old.workerId) === write.worker;
  const oldFailoverMs = old?.failoverMs ?? 0;
  if (wish === undefined) {
    if (!isOwn) complain(`the wish of ${old?.workerId} is withdrawn`);
    return;
  }
  if (nameOf(wish.workerId) !== write.worker) complain(`a wish in the name of ${wish.workerId}`);
  if (wish.holder !== before.row['kinactWriter']?.S) complain(`a wish for the tenure of ${wish.holder}`);
  if (before.row['leaseOwner'] === undefined) complain('a wish for a lease that nobody holds');
  if (!isOwn && write.sentAt - before.wishedAt < oldFailoverMs)
    complain(`the living wish of ${old?.workerId} is replaced`);
}

function wishIn(row: WitnessedRow) {
  const match = /^(\S+) (\d+) (\d+) (\S+) (.+)$/s.exec(row['kinactWish']?.S ?? '');
  if (match === null) return undefined;
  const [, writer, failoverMs, , holder, workerId] = match;
  return { writer, failoverMs: Number(failoverMs), holder, workerId: workerId as string };
}

/** A sentinel is before every number, SHARD_END after every number. */
function numberOf(checkpoint = ''): bigint {
  if (checkpoint === 'SHARD_END') return 1n << 256n;
  return /^\d+$/.test(checkpoint) ? BigInt(checkpoint) : -1n;
}

/** The clauses of an update expression: `SET #a = :b, #c = if_not_exists(#c, :d) REMOVE #e, #f ADD #g :h`. */
function clausesOf({ request }: WitnessedWrite): {
  readonly SET: string;
  readonly REMOVE: string;
  readonly ADD: string;
} {
  const found = { SET: '', REMOVE: '', ADD: '' };
  const parts = (request.UpdateExpression ?? '').split(/\b(SET|REMOVE|ADD) /);
  for (let place = 1; place < parts.length; place += 2)
    found[parts[place] as keyof typeof found] = parts[place + 1] ?? '';
  return found;
}

function touchedBy(write: WitnessedWrite): Set<string> {
  const names = write.request.ExpressionAttributeNames ?? {};
  const all = Object.values(clausesOf(write)).flatMap((clause) => clause.match(/#\w+/g) ?? []);
  return new Set(all.map((name) => names[name] ?? name));
}

function applied(row: WitnessedRow, write: WitnessedWrite): WitnessedRow {
  const { ExpressionAttributeNames: names = {}, ExpressionAttributeValues: values = {} } = write.request;
  const { SET, REMOVE, ADD } = clausesOf(write);
  const next = { ...row };
  for (const [, name = '', once, value = ''] of SET.matchAll(/(#\w+) = (if_not_exists\(#\w+, )?(:\w+)/g))
    if (once === undefined || row[names[name]!] === undefined) next[names[name]!] = values[value]!;
  for (const [name] of REMOVE.matchAll(/#\w+/g)) delete next[names[name]!];
  for (const [, name = '', value = ''] of ADD.matchAll(/(#\w+) (:\w+)/g))
    next[names[name]!] = { N: String(Number(row[names[name]!]?.N ?? 0) + Number(values[value]?.N)) };
  return next;
}
