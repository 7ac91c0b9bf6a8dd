// Office hours as the form edits them.

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

export interface OfficeHours {
  timeZone: string;
  hours: { day: Day; from: string; to: string }[];
  awayMessage: string;
}

/** Where a builder begins: weekdays in their own time zone. */
export function usualHours(): OfficeHours {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  return { timeZone, hours: DAYS.slice(0, 5).map((day) => ({ day, from: '09:00', to: '18:00' })), awayMessage: '' };
}

/** The time zones to choose from, with the one that is chosen. */
export function zones(chosen: string): string[] {
  return [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone'), chosen])].sort();
}
