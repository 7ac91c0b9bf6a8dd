//! The printed table, and the statistics behind its figures.

use std::time::Duration;

/// Figures beside their targets.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 5]>,
}

impl Table {
    /// A figure that may be at most `target`.
    pub fn at_most(&mut self, figure: impl Into<String>, value: f64, target: f64, unit: &str) {
        self.judge(figure.into(), value, ("≤", target, value <= target), unit);
    }

    /// A figure that must be at least `target`.
    pub fn at_least(&mut self, figure: impl Into<String>, value: f64, target: f64, unit: &str) {
        self.judge(figure.into(), value, ("≥", target, value >= target), unit);
    }

    /// A figure without a target.
    pub fn plain(&mut self, figure: impl Into<String>, value: f64, unit: &str) {
        let empty = String::new;
        self.rows.push([
            figure.into(),
            format!("{} {unit}", number(value)),
            empty(),
            empty(),
            empty(),
        ]);
    }

    fn judge(
        &mut self,
        figure: String,
        value: f64,
        (sign, target, met): (&str, f64, bool),
        unit: &str,
    ) {
        self.rows.push([
            figure,
            format!("{} {unit}", number(value)),
            format!("{sign} {target} {unit}"),
            if met { "met" } else { "MISSED" }.to_owned(),
            format!("{:.2}", value / target),
        ]);
    }

    /// Adds the rows of `other`.
    pub fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// Prints it, columns aligned.
    pub fn print(&self) {
        let titles = ["figure", "measured", "target", "", "measured/target"].map(str::to_owned);
        let rows = || std::iter::once(&titles).chain(&self.rows);
        let width = |column: usize| rows().map(|row| row[column].chars().count()).max();
        let widths = [0, 1, 2, 3, 4].map(|column| width(column).unwrap_or_default());
        for row in rows() {
            let cells = row.iter().zip(widths).enumerate();
            let line: Vec<String> = cells
                .map(|(column, (cell, width))| match column {
                    0 => format!("{cell:width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            println!("  {}", line.join("  ").trim_end());
        }
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Durations of the same thing done many times.
#[derive(Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn push(&mut self, taken: Duration) {
        self.0.push(taken);
    }

    /// The value that `share` (0 to 1) of the samples don't exceed, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let at = rank.clamp(1, sorted.len().max(1)) - 1;
        sorted.get(at).map_or(0.0, |taken| millis(*taken))
    }

    /// The median, in milliseconds.
    pub fn median(&self) -> f64 {
        self.percentile(0.5)
    }
}

/// A duration in milliseconds.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How busy the machine is, where it tells: figures of a busy machine are worth little.
pub fn load() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    match std::fs::read_to_string("/proc/loadavg") {
        Ok(text) => {
            let averages: Vec<&str> = text.split(' ').take(3).collect();
            format!("{cores} cores, load {}", averages.join(" "))
        }
        Err(_) => format!("{cores} cores"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), 0.0);
        for taken in (1..=100).rev() {
            samples.push(Duration::from_millis(taken));
        }
        for (share, expected) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(samples.percentile(share), expected, "{share}");
        }
    }

    #[test]
    fn a_target_is_met_or_missed() {
        let mut table = Table::default();
        table.at_most("a", 150.0, 150.0, "ms");
        table.at_most("b", 151.0, 150.0, "ms");
        table.at_least("c", 999.0, 1000.0, "/s");
        let verdicts: Vec<&str> = table.rows.iter().map(|row| row[3].as_str()).collect();
        assert_eq!(verdicts, ["met", "MISSED", "MISSED"]);
        assert_eq!(table.rows[1][4], "1.01");
    }
}
