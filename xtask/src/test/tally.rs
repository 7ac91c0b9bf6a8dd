//! Sums up what Rust's test programs print: one `test result:` line for each of them.

/// The sum over all test programs of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    pub ignored: usize,
    /// The names of the tests that failed, in the order in which they ended.
    pub failed_tests: Vec<String>,
}

impl Tally {
    /// Reads one line of output; most lines say nothing about results.
    pub fn read(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += count(result, " passed");
            self.failed += count(result, " failed");
            self.ignored += count(result, " ignored");
        } else if let Some(name) = failed_test(line) {
            self.failed_tests.push(name.to_string());
        }
    }

    /// Reads one line of what vitest prints, whose sum is `Tests  1 failed | 5 passed | 2 skipped (8)`.
    pub fn read_vitest(&mut self, line: &str) {
        let line = line.trim();
        if let Some(result) = line.strip_prefix("Tests ") {
            self.passed += count(result, " passed");
            self.failed += count(result, " failed");
            self.ignored += count(result, " skipped");
        } else if let Some(name) = line.strip_prefix("FAIL ") {
            self.failed_tests.push(name.trim().to_string());
        }
    }

    /// Whether no test was even skipped.
    pub fn is_empty(&self) -> bool {
        self.passed + self.failed + self.ignored == 0
    }

    /// The run's last line. `failed_checks` are failures that no test stands for.
    pub fn closing_line(&self, failed_checks: usize) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed + failed_checks,
            self.ignored
        )
    }
}

/// The name in `test NAME ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// The number before `word` in a result such as `ok. 12 passed; 0 failed; 1 ignored; …`.
fn count(result: &str, word: &str) -> usize {
    let before = result
        .split(word)
        .next()
        .filter(|before| before.len() < result.len())
        .unwrap_or_default();
    let digits = before
        .rsplit(|character: char| !character.is_ascii_digit())
        .next()
        .unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, closing_line: &str, failed_tests: &[&str]) {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        assert_eq!(tally.closing_line(0), closing_line);
        assert_eq!(tally.failed_tests, failed_tests);
    }

    #[test]
    fn the_results_of_the_web_parts_are_summed_too() {
        let mut tally = Tally::default();
        for line in [
            " FAIL  test/sse.test.ts > SseParser",
            "  Test Files  1 failed | 1 passed (2)",
            "      Tests  1 failed | 5 passed | 2 skipped (8)",
            "      Tests  14 passed (14)",
        ] {
            tally.read_vitest(line);
        }
        assert_eq!(tally.closing_line(0), "19 passed, 1 failed, 2 skipped");
        assert_eq!(tally.failed_tests, ["test/sse.test.ts > SseParser"]);
    }

    #[test]
    fn the_results_of_all_programs_are_summed() {
        check(
            "running 3 tests
test a::works ... ok
test a::breaks ... FAILED
test b ... ignored, needs a network
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s

running 12 tests
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
",
            "13 passed, 1 failed, 1 skipped",
            &["a::breaks"],
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        check("", "0 passed, 0 failed, 0 skipped", &[]);
        check(
            "a test printed: test result: ok. 5 passed; 0 failed",
            "0 passed, 0 failed, 0 skipped",
            &[],
        );
        check(
            "12 passed, 1 failed, 0 skipped",
            "0 passed, 0 failed, 0 skipped",
            &[],
        );
        check(
            "test result: ok. many passed",
            "0 passed, 0 failed, 0 skipped",
            &[],
        );
    }

    #[test]
    fn a_run_that_only_skips_is_not_empty() {
        let ignored = 1;
        assert!(
            !Tally {
                ignored,
                ..Tally::default()
            }
            .is_empty()
        );
        assert!(Tally::default().is_empty());
    }

    #[test]
    fn failed_checks_are_added_to_the_failures() {
        assert_eq!(
            Tally {
                passed: 4,
                failed: 1,
                ..Tally::default()
            }
            .closing_line(2),
            "4 passed, 3 failed, 0 skipped"
        );
    }
}
