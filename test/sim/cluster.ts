// What every process of a simulated cluster has in common.

export const stopDeadlineMs = 5_000;
