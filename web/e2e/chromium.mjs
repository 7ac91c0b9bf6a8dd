// Chromium as the system has it.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Starts it. */
export async function browser() {
  const executablePath = process.env['CHROMIUM'] || PATHS.find((path) => existsSync(path));
  if (!executablePath) throw new Error('Chromium is missing: apt-get install chromium, or name it in CHROMIUM.');
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}
