//! One statement over many rows of values, since each statement is a trip to the database and back.

use std::sync::OnceLock;

use okra_domain::error::Result;

use super::{Param, Row, Tx};

/// Rows of one text at most, as a power of two.
const MOST: u32 = 4;
const TEXTS: usize = MOST as usize + 1;

/// A statement that takes any number of rows. Its text is prepared for 1, 2, 4, 8 and 16 of them, and other
/// numbers are made up of these: a text for each number would crowd the connection's prepared statements.
pub(crate) struct Many {
    before: &'static str,
    /// What stands for one row, with a `?` for each of its values.
    row: &'static str,
    between: &'static str,
    after: &'static str,
    texts: [OnceLock<&'static str>; TEXTS],
}

impl Many {
    /// The statement `before`, `row` once for each row of values with `between` between two, `after`.
    pub(crate) const fn new(
        before: &'static str,
        row: &'static str,
        between: &'static str,
        after: &'static str,
    ) -> Self {
        Self {
            before,
            row,
            between,
            after,
            texts: [const { OnceLock::new() }; TEXTS],
        }
    }

    /// Runs it over `rows`; what it returned, in no order that could be relied on.
    pub(crate) async fn fetch(
        &'static self,
        tx: &mut Tx,
        rows: Vec<Vec<Param>>,
    ) -> Result<Vec<Row>> {
        let mut fetched = Vec::new();
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let power = rows.len().ilog2().min(MOST);
            let values = rows.by_ref().take(1 << power).flatten().collect();
            fetched.append(&mut tx.fetch_all(self.text(power), values).await?);
        }
        Ok(fetched)
    }

    /// The text for 2 to the power of `power` rows, made once.
    fn text(&'static self, power: u32) -> &'static str {
        self.texts[power as usize].get_or_init(|| {
            let rows = vec![self.row; 1 << power].join(self.between);
            let mut text = self.before.to_owned();
            let mut value = 0;
            for character in rows.chars() {
                match character {
                    '?' => {
                        value += 1;
                        text.push_str(&format!("${value}"));
                    }
                    other => text.push(other),
                }
            }
            text.push_str(self.after);
            text.leak()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_over_all_rows() {
        static INSERT: Many =
            Many::new("INSERT INTO t VALUES ", "(?, 'a', ?)", ", ", " RETURNING b");
        let check = |power, expected: &str| assert_eq!(INSERT.text(power), expected);
        check(0, "INSERT INTO t VALUES ($1, 'a', $2) RETURNING b");
        check(
            1,
            "INSERT INTO t VALUES ($1, 'a', $2), ($3, 'a', $4) RETURNING b",
        );
    }
}
