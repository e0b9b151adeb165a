// What every process of a simulated cluster has in common.

export const streamName = 'sim';
/** As the application. */
export const tableName = 'sim';
export const stopDeadlineMs = 5_000;
