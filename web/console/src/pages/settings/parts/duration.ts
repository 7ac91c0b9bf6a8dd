// How long something has been going on, in the two greatest units.

interface Units {
  days: (n: string) => string;
  hours: (n: string) => string;
  minutes: (n: string) => string;
}

/** "1 d 2 h", "3 h 12 min", "0 min". */
export function duration(seconds: number, units: Units): string {
  const minutes = Math.floor(seconds / 60);
  const parts: [number, (n: string) => string][] = [
    [Math.floor(minutes / 1440), units.days],
    [Math.floor(minutes / 60) % 24, units.hours],
    [minutes % 60, units.minutes],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
  return shown.map(([n, unit]) => unit(String(n))).join(' ');
}
