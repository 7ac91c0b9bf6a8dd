// Which square of a picture is taken: moved about and magnified, and never beyond the picture's edge.

export interface Square {
  x: number;
  y: number;
  /** Pixels of the picture on each side. */
  size: number;
}

/** The most that a picture can be magnified. */
export const MOST = 4;

export class Crop {
  #center = $state({ x: 0, y: 0 });
  #zoom = $state(1);

  /** Pixels of the picture. */
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.#center = { x: width / 2, y: height / 2 };
  }

  /** From 1, where the square is as large as the picture allows, to `MOST`. */
  get zoom(): number {
    return this.#zoom;
  }

  set zoom(zoom: number) {
    this.#zoom = Math.min(MOST, Math.max(1, zoom));
    this.#moveTo(this.#center.x, this.#center.y);
  }

  get square(): Square {
    const size = this.#size();
    return { x: this.#center.x - size / 2, y: this.#center.y - size / 2, size };
  }

  /** Moves the picture below the square, by shares of the square's side. */
  drag(right: number, down: number): void {
    const size = this.#size();
    this.#moveTo(this.#center.x - right * size, this.#center.y - down * size);
  }

  #size(): number {
    return Math.min(this.width, this.height) / this.#zoom;
  }

  #moveTo(x: number, y: number): void {
    const half = this.#size() / 2;
    this.#center = { x: within(x, half, this.width - half), y: within(y, half, this.height - half) };
  }
}

const within = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
